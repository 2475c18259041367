"""Object storage of one's own: moto's server on loopback, found by way of the environment as any other would be."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

BUCKET = "states"


@contextmanager
def running() -> Iterator[str]:
    """Start storage with an empty bucket and name it to this process and its children; gives the bucket's address."""
    import boto3
    from s3fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    named = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }  # fmt: skip
    before = dict(os.environ)
    os.environ.update(named)
    S3FileSystem.clear_instance_cache()  # one that an earlier server's test made asks that server
    try:
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"
    finally:
        os.environ.clear()
        os.environ.update(before)
        S3FileSystem.clear_instance_cache()
        server.stop()
