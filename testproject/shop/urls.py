from django.urls import path

from . import views

app_name = "shop"
urlpatterns = [
    path("", views.order_list, name="orders"),
    path("orders/new/", views.place_sample, name="place_sample"),
    path("orders/<slug:reference>/", views.order_detail, name="order"),
    path("orders/<slug:reference>/confirm/", views.confirm, name="confirm"),
    path("orders/<slug:reference>/invoice.pdf", views.invoice_pdf, name="invoice"),
]
