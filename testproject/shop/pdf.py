"""The invoice as a PDF."""

from decimal import Decimal

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from .models import Order

NEXT_LINE = {"new_x": XPos.LMARGIN, "new_y": YPos.NEXT}
COLUMNS = (85, 25, 30, 30)  # millimetres; with the margins, the width of A4


def draw_invoice(order: Order, number: str) -> bytes:
    """The invoice of ``order``; the same bytes whenever it is drawn again."""
    paid_at = order.paid_at
    document = FPDF(format="A4")
    document.set_margin(20)
    document.set_creation_date(paid_at)
    document.set_title(_print(number))
    document.set_author(_print(settings.SHOP_NAME))
    document.add_page()

    document.set_font("Helvetica", "B", 18)
    document.cell(0, 12, _print(settings.SHOP_NAME), **NEXT_LINE)
    document.set_font("Helvetica", size=11)
    for line in (
        _("Invoice %(number)s") % {"number": number},
        _("Order %(reference)s") % {"reference": order.reference},
        _("Paid on %(date)s") % {"date": date_format(paid_at, "DATE_FORMAT")},
        _("To %(customer)s") % {"customer": order.customer},
    ):
        document.cell(0, 7, _print(line), **NEXT_LINE)
    document.ln(6)
    _draw_lines(document, order)
    return bytes(document.output())


def _draw_lines(document: FPDF, order: Order) -> None:
    with document.table(
        col_widths=COLUMNS,
        text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT"),
        borders_layout="HORIZONTAL_LINES",
        line_height=8,
    ) as table:
        table.row([_print(text) for text in (_("Item"), _("Quantity"), _("Price"), _("Total"))])
        for line in order.lines.all():
            table.row(
                [
                    _print(line.description),
                    str(line.quantity),
                    _money(line.unit_price),
                    _money(line.total),
                ]
            )
        table.row([_print(_("Total")), "", "", _money(order.total)])


def _money(amount: Decimal) -> str:
    return _print(f"{amount:.2f} {settings.SHOP_CURRENCY}")


def _print(text: str) -> str:
    """
    ``text`` as far as the PDF's built-in fonts have it.

    They know Latin-1 only, and a demonstration should not carry a font file along. A name
    with other letters must cost them, not the invoice.
    """
    return text.encode("latin-1", "replace").decode("latin-1")
