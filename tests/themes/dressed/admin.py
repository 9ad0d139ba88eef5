from django.contrib import admin
from unfold.admin import ModelAdmin

from django_jobs.admin import FailureGroupAdmin, JobAdmin, QueueAdmin, WorkerAdmin
from django_jobs.models import FailureGroup, Job, Queue, Worker


class UnfoldJobAdmin(JobAdmin, ModelAdmin):
    pass


class UnfoldFailureGroupAdmin(FailureGroupAdmin, ModelAdmin):
    pass


class UnfoldQueueAdmin(QueueAdmin, ModelAdmin):
    pass


class UnfoldWorkerAdmin(WorkerAdmin, ModelAdmin):
    pass


admin.site.unregister([FailureGroup, Job, Queue, Worker])
admin.site.register(Job, UnfoldJobAdmin)
admin.site.register(FailureGroup, UnfoldFailureGroupAdmin)
admin.site.register(Queue, UnfoldQueueAdmin)
admin.site.register(Worker, UnfoldWorkerAdmin)
