"""Settings of both web processes; ZBOR_ROLE tells them apart. Read by gunicorn from the folder it is started in."""

import gc
from typing import Any

wsgi_app = "wsgi:create_app()"
workers = 2
threads = 4
graceful_timeout = 5
control_socket_disable = True
accesslog = None
# At `warning` gunicorn writes down the address of whoever sends a broken request.
loglevel = "error"


def post_worker_init(_worker: Any) -> None:
    """What is loaded by now lives as long as the process. The collector would look at all of it again and again, while visitors wait."""
    gc.collect()
    gc.freeze()
