from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .models import Invoice, Order, OrderLine
from .services import OrderNotPending, confirm_payment


class OrderLineInline(admin.TabularInline):
    model = OrderLine
    extra = 1


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["reference", "customer", "email", "status", "placed_at", "paid_at"]
    list_filter = ["status", "placed_at"]
    search_fields = ["reference", "customer", "email"]
    # The status is changed by what the shop does, never by hand: with it come the jobs.
    readonly_fields = ["status", "placed_at", "paid_at", "team_notified_at"]
    inlines = [OrderLineInline]
    actions = ["confirm_payments"]

    @admin.action(description=_("Confirm payment"), permissions=["confirm_payment"])
    def confirm_payments(self, request, queryset):
        confirmed = skipped = 0
        for order in queryset:
            try:
                confirm_payment(order)
            except OrderNotPending:
                skipped += 1
            else:
                self.log_change(request, order, "Confirmed the payment.")
                confirmed += 1
        if confirmed:
            text = ngettext("%d payment confirmed.", "%d payments confirmed.", confirmed)
            self.message_user(request, text % confirmed, messages.SUCCESS)
        if skipped:
            text = ngettext(
                "%d order was not waiting for payment.",
                "%d orders were not waiting for payment.",
                skipped,
            )
            self.message_user(request, text % skipped, messages.WARNING)

    def has_confirm_payment_permission(self, request) -> bool:
        return request.user.has_perm("shop.confirm_payment")


@admin.register(Invoice)
class InvoiceAdmin(admin.ModelAdmin):
    list_display = ["number", "order", "drawn_at", "sent_at"]
    search_fields = ["number", "order__reference"]
    list_select_related = ["order"]

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False
