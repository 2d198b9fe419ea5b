// A vector for large tables that are built at once and then read at random places. It uses huge
// pages where the system gives them, which saves most page faults while the table is built and most
// address translations while it is read.
//
// Memory    Rounded up to 2 MB; smaller tables take ordinary memory.

#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <vector>

namespace larql {

template <class T>
struct huge_page_allocator {
  using value_type = T;

  huge_page_allocator() = default;
  template <class U>
  huge_page_allocator(const huge_page_allocator<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t n) {
    constexpr auto huge_page = std::size_t{2} << 20;
    if (n > (~std::size_t{0} - huge_page) / sizeof(T))
      throw std::bad_array_new_length{};
    const auto bytes = n * sizeof(T);
    if (bytes < huge_page)
      return static_cast<T*>(own(std::malloc(bytes)));
    const auto rounded = (bytes + huge_page - 1) / huge_page * huge_page;
    auto* p = own(std::aligned_alloc(huge_page, rounded));
    (void) ::madvise(p, rounded, MADV_HUGEPAGE); // advice only
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t) noexcept { std::free(p); }

  friend bool operator==(const huge_page_allocator&, const huge_page_allocator&) = default;

private:
  static_assert(alignof(T) <= alignof(std::max_align_t));
  static void* own(void* p) {
    if (p == nullptr)
      throw std::bad_alloc{};
    return p;
  }
};

template <class T>
using large_table = std::vector<T, huge_page_allocator<T>>;

} // namespace larql
