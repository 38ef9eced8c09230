"""Makes and sends one request to a webhook's endpoint: the body, its signatures, the POST.

Order, retries and progress of deliveries are in the package above.
"""
