"""
The drill: confirmations by the hundred, failures on purpose, workers stopped and killed.

``scenario`` says what shall happen and what must come of it, ``servers`` are the mail server
and the webhook receiver that fail on purpose, ``processes`` starts and stops the shop's
processes, ``runner`` plays the scenario, ``evidence`` collects what came of it, ``checks``
compares that with what was promised, ``display`` and ``report`` show it.
"""
