"""A server that says by baseplate's client of einhorn that it is ready, when there is a file of this name.

It loads the client alone: the package around it wants gevent and much more.
"""

import importlib.util, os, sys, threading, time
spec = importlib.util.spec_from_file_location('einhorn', sys.argv[1])
einhorn = importlib.util.module_from_spec(spec)
spec.loader.exec_module(einhorn)
assert einhorn.is_worker() and einhorn.get_socket_count() == 1
listener = einhorn.get_socket(0)
def serve():
    while True:
        client, _ = listener.accept()
        client.recv(4096)
        client.sendall(b'HTTP/1.0 200 OK\r\n\r\n{}')
        client.close()
threading.Thread(target=serve, daemon=True).start()
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
print('acking', flush=True)
einhorn.ack_startup()
threading.Event().wait()
