# An application for gunicorn, which takes its listening socket from descriptor 3 and drains on SIGTERM. Run it by
#
#     socketmaster -listen tcp://:7008 -command=gunicorn -- -w 2 -b fd://3 gunicorn_app:app
#
# then change it and reload by `kill -HUP` of socketmaster. DELAY_MS is how long an answer takes.
import os
import time


def app(environ, start_response):
    time.sleep(int(os.environ.get("DELAY_MS", 0)) / 1000)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"status": "success", "pid": %d}\n' % os.getpid()]
