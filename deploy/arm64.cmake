# Toolchain file: 64-bit ARM made on another machine by Debian's cross compiler, with Debian's arm64 libraries
# (`deploy/install-deps.sh arm64`). Cap'n Proto's compiler is the building machine's; programs that the build
# itself runs, for manual pages and lists of tests, run emulated.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
find_program(LARQL_ARM64_EMULATOR qemu-aarch64-static REQUIRED)
set(CMAKE_CROSSCOMPILING_EMULATOR ${LARQL_ARM64_EMULATOR})
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
