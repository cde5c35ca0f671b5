# stroi and its demo in a container.
#
#   docker build -t stroi --build-arg TORCH_INDEX=URL --build-arg UID="$(id -u)" .
#   mkdir -p results
#   docker run --rm -v "$PWD/results:/stroi/runs" stroi             # the demo: table and report
#   docker run --rm -it -v "$HOME/videos:/videos:ro" stroi bash     # your own videos
#
# URL is PyTorch's own package index of CPU builds, or that of a CUDA version: its page "Get
# started" has them. Without TORCH_INDEX pip's index decides: on x86-64 that is a build with CUDA,
# which runs on CPUs too and is several GB larger. For a GPU run with `docker run --gpus all`;
# the host needs NVIDIA's driver and container toolkit, CUDA's libraries come with torch.
FROM python:3.12-slim-bookworm

ARG UID=1000

# DVC works in a git repository; torch's CPU kernels are linked with libgomp.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libgomp1 make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid "$UID" --create-home stroi \
    && install --directory --owner stroi /stroi /stroi/runs

USER stroi
WORKDIR /stroi
ENV PATH=/stroi/.venv/bin:$PATH \
    DVC_NO_ANALYTICS=1 \
    PIP_NO_CACHE_DIR=1

# Torch first: it is the largest layer, and a change of stroi leaves it as it is.
ARG TORCH_INDEX=""
RUN python -m venv .venv \
    && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.6,<2.14"

COPY --chown=stroi . .
RUN make install \
    && git init --quiet \
    && git add --all \
    && git -c user.name=stroi -c user.email=stroi@localhost commit --quiet --message stroi

CMD ["make", "repro"]
