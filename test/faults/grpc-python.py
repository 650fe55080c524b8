# auth.AuthService in Python, by hand: gRPC of another make. Says its port in one line; ends when its standard input does.
import re
import sys
from concurrent import futures

import grpc

max_age_ms, grace_ms = (int(argument) for argument in sys.argv[1:3])


def text(number, value):
    data = value.encode()
    return bytes([number << 3 | 2, len(data)]) + data


def verify_token(request, context):
    # One field: tag, length (one byte: these tokens are short), text.
    match = re.fullmatch(r"token-of-(user-\d+)", request[2:].decode())
    if not match:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "nobody's")
    return text(1, match[1]) + text(2, "org-1") + bytes([4 << 3, 1])


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/auth.AuthService/VerifyToken":
            return grpc.unary_unary_rpc_method_handler(verify_token)


options = []
if max_age_ms > 0:
    options = [("grpc.max_connection_age_ms", max_age_ms), ("grpc.max_connection_age_grace_ms", grace_ms)]
server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
server.add_generic_rpc_handlers((Service(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(None)
