# SPDX-License-Identifier: MIT
# 64-bit ARM, built on another machine and run under qemu. The libraries lie in KG_ARM64_ROOT,
# which script/arm64 fills; the C library is that of Debian's cross compiler.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
if(NOT KG_ARM64_ROOT)
	set(KG_ARM64_ROOT ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-root)
endif()
get_filename_component(KG_ARM64_ROOT ${KG_ARM64_ROOT} ABSOLUTE)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES KG_ARM64_ROOT)

set(CMAKE_FIND_ROOT_PATH ${KG_ARM64_ROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${KG_ARM64_ROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${KG_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)

# -cpu max has the dot product; the prefix is where the loader of the C library lies.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu)
