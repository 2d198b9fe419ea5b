#include "runtime/base/reserved_memory.hpp"

#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <sys/mman.h>
#include <utility>

namespace larql {

reserved_memory::reserved_memory(reserved_memory&& other) noexcept {
  *this = std::move(other);
}

reserved_memory& reserved_memory::operator=(reserved_memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

reserved_memory::~reserved_memory() {
  if (data_ != nullptr)
    ::munmap(data_, bytes_);
}

result<reserved_memory> reserved_memory::reserve(std::size_t bytes) {
  auto out = reserved_memory{};
  if (bytes == 0)
    return out;
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    return fail(errc::io, "reserving {} bytes of memory: {}", bytes, errno_text(errno));
  out.data_ = static_cast<std::byte*>(p);
  out.bytes_ = bytes;
  return out;
}

void reserved_memory::prefer_huge_pages() noexcept {
  if (data_ != nullptr) // advice only
    (void) ::madvise(data_, bytes_, MADV_HUGEPAGE);
}

} // namespace larql
