import time

from django.core.management.base import BaseCommand

from shop.models import Order
from shop.services import confirm_payment


class Command(BaseCommand):
    help = "Confirm the payment of every pending order whose reference begins with PREFIX."

    def add_arguments(self, parser):
        parser.add_argument("prefix")
        parser.add_argument("--pause", type=float, default=0, help="seconds between two orders")

    def handle(self, *args, **options):
        pending = Order.objects.filter(
            status=Order.Status.PENDING, reference__startswith=options["prefix"]
        )
        for order in pending.order_by("id"):
            confirm_payment(order)
            time.sleep(options["pause"])
