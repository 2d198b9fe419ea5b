// Zeroed memory straight from the kernel: costs nothing until it is written, and never moves.
//
// Owner     Owns its pages; movable.

#pragma once

#include "runtime/base/result.hpp"

#include <cstddef>
#include <span>

namespace larql {

class reserved_memory {
public:
  reserved_memory() = default;
  reserved_memory(reserved_memory&& other) noexcept;
  reserved_memory& operator=(reserved_memory&& other) noexcept;
  ~reserved_memory();

  /// Reserves address space for `bytes`; pages are charged when they are written.
  [[nodiscard]] static result<reserved_memory> reserve(std::size_t bytes);

  /// Asks for large pages, which spare address translation; call before the first write.
  void prefer_huge_pages() noexcept;

  [[nodiscard]] std::byte* data() noexcept { return data_; }
  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }

private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

} // namespace larql
