"""A bucket on this machine: Google's storage protocol, and a store that refuses everybody."""

import contextlib
import http.server
import threading
from unittest import mock

from gcp_storage_emulator import exceptions, server
from gcp_storage_emulator.handlers import objects

from tests.ports import free_port


def _generation(store, bucket, name) -> str:
    try:
        return store.get_file_obj(bucket, name)["generation"]
    except exceptions.NotFound:
        return "0"


DOWNLOAD, INSERT = objects.download, objects.insert


def _download(request, response, store, *_, **__):
    """With the version in a header, as Google does: TensorStore asks for it."""
    DOWNLOAD(request, response, store)
    bucket, name = request.params["bucket_name"], request.params["object_id"]
    response["x-goog-generation"] = _generation(store, bucket, name)


def _insert(request, response, store, *_, **__):
    """Refused where the version is not the one that the writer has seen."""
    seen = request.query.get("ifGenerationMatch")
    if seen and request.query.get("name"):
        name = request.query["name"][0]
        if _generation(store, request.params["bucket_name"], name) != seen[0]:
            response.status = http.HTTPStatus.PRECONDITION_FAILED
            return
    INSERT(request, response, store)


@contextlib.contextmanager
def emulator(bucket: str):
    """Environment variables of a process for which gs://BUCKET is in this process's memory."""
    port = free_port()
    store = server.create_server("127.0.0.1", port, in_memory=True, default_bucket=bucket)
    ours = {INSERT: _insert, DOWNLOAD: _download}
    handlers = tuple(
        (path, {method: ours.get(handler, handler) for method, handler in by_method.items()})
        for path, by_method in server.HANDLERS
    )
    with (
        mock.patch.object(server, "HANDLERS", handlers),
        mock.patch.object(objects, "download", _download),  # that objects.get calls
    ):
        store.start()
        try:
            yield environment(port)
        finally:
            store.stop()


@contextlib.contextmanager
def refusing():
    """The same for a store that lets nobody in."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"error": {"code": 403, "message": "Forbidden: no storage.objects.get"}}'
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    store = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=store.serve_forever, daemon=True)
    thread.start()
    try:
        yield environment(store.server_port)
    finally:
        store.shutdown()
        store.server_close()


def environment(port: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    return {
        "STORAGE_EMULATOR_HOST": url,  # gcsfs, google-cloud-storage
        "TENSORSTORE_GCS_HTTP_URL": url,  # Orbax
        "GOOGLE_CLOUD_PROJECT": "tests",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # it asks Google what kind of bucket this is
    }
