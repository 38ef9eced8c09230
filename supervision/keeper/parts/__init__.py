"""The processes that the keeper starts: what each runs, its ports, and when it is ready.

Starting and watching them is `keeper.py`.
"""
