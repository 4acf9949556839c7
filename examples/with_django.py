"""Longshore in a Django program, served by ASGI: uploads go past Django, which would read each to its end first.

python examples/with_django.py [port [folder]]
curl -T holiday.mov http://127.0.0.1:8000/store/upload/
"""

import sys
from pathlib import Path

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # from a checkout; installed, it needs no path

from longshore.asgi import application
from longshore.embed import on_disk


async def home(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"upload to": "/store/uploads"})


urlpatterns = [path("", home)]

if __name__ == "__main__":
    port, folder = [*sys.argv[1:], *["8000", "./store"][len(sys.argv) - 1 :]]
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="of an example")  # noqa: S106
    # Where a cut may cost a whole request, ``urlpatterns += longshore.django.urls(…)`` does as well.
    uvicorn.run(application(on_disk(Path(folder)), at="/store", otherwise=get_asgi_application()), port=int(port))
