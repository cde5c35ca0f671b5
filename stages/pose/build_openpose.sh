#!/usr/bin/env bash
# Build OpenPose with the Python module for the Python of this environment.
#
# Usage: build_openpose.sh SOURCE [CUDA|CPU_ONLY]
#
#   SOURCE  a clone of OpenPose: master (5c5d9652 or later), or the tag v1.7.0
#   CUDA    with cuDNN, the default; CPU_ONLY needs no GPU and is about 50 times slower
#
# The build goes to SOURCE/build; run it again after a failure, and it goes on. Changes to the source
# are listed below, each with its reason. No weights are downloaded: OpenPose's server is down.
set -euo pipefail

fail() { echo "error: $1; $2" >&2; exit 1; }

source=${1:-} mode=${2:-CUDA}
[ -n "$source" ] || fail "no source folder" "usage: build_openpose.sh SOURCE [CUDA|CPU_ONLY]"
[ -f "$source/include/openpose/headers.hpp" ] || fail "$source is no source of OpenPose" \
  "git clone https://github.com/CMU-Perceptual-Computing-Lab/openpose"
case $mode in CUDA | CPU_ONLY) ;; *) fail "unknown mode $mode" "use CUDA or CPU_ONLY" ;; esac
python=$(command -v python) || fail "no python" "activate the environment that stroi is installed in"
for tool in git cmake make g++ protoc; do
  command -v "$tool" > /dev/null || fail "no $tool" "install the packages that docs/pose-sources.md names"
done
cd "$source"

# A submodule that is there stays as it is; pybind11 of 2018, which OpenPose names, compiles with no
# Python after 3.8. CMake puts the commit back that git's index names, so the newer one goes there.
if [ ! -e 3rdparty/caffe/CMakeLists.txt ]; then git submodule update --init 3rdparty/caffe; fi
if ! grep -q "PYBIND11_VERSION_MAJOR [3-9]" 3rdparty/pybind11/include/pybind11/detail/common.h 2> /dev/null; then
  git submodule update --init --remote 3rdparty/pybind11
fi
git add 3rdparty/pybind11

# CMake 4 refuses the age of these files; the build of Caffe sees this variable and no option.
export CMAKE_POLICY_VERSION_MINIMUM=3.5
options=(
  -DCMAKE_BUILD_TYPE=Release -DBUILD_PYTHON=ON -DBUILD_EXAMPLES="${BUILD_EXAMPLES:-OFF}"
  -DPYTHON_EXECUTABLE="$python" -DPython_EXECUTABLE="$python" -DGPU_MODE="$mode"
  # MKL would be downloaded.
  -DUSE_MKL=OFF
  -DDOWNLOAD_BODY_25_MODEL=OFF -DDOWNLOAD_BODY_COCO_MODEL=OFF -DDOWNLOAD_BODY_MPI_MODEL=OFF
  -DDOWNLOAD_FACE_MODEL=OFF -DDOWNLOAD_HAND_MODEL=OFF
)
if [ "$mode" = CUDA ]; then options+=(-DUSE_CUDNN=ON); fi
cmake -S . -B build "${options[@]}"

# protobuf 3.12 and later take one argument. Here and not before, because CMake checks Caffe out.
file=3rdparty/caffe/src/caffe/util/io.cpp
old='SetTotalBytesLimit(kProtoReadBytesLimit, 536870912)' new='SetTotalBytesLimit(kProtoReadBytesLimit)'
if grep -qF "$old" "$file"; then
  sed -i "s/$old/$new/" "$file"
elif ! grep -qF "$new" "$file"; then
  fail "$file has neither $old nor $new" "read what this script changes in it, and do it by hand"
fi

make -C build -j"${JOBS:-$(nproc)}"
module=$(find build/python/openpose -name 'pyopenpose*.so' | head -n 1)
[ -n "$module" ] || fail "the build made no Python module" "read the messages above"

root=$PWD
echo
echo "Built: $root/$module"
echo "Put your weights here:"
echo "  $root/models/pose/body_25/pose_iter_584000.caffemodel  (104,715,850 bytes)"
echo "  $root/models/pose/coco/pose_iter_440000.caffemodel     (209,274,056 bytes; network COCO)"
echo "  export OPENPOSE_ROOT=$root"
if command -v stroi > /dev/null; then OPENPOSE_ROOT=$root stroi doctor | grep "^ *openpose" || true; fi
