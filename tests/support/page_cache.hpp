// What the kernel holds of a file in memory: for tests of "touches only what it owns".

#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace larql::test {

[[nodiscard]] std::uint64_t page_bytes();

/// Per page of the file: is it in the page cache?
[[nodiscard]] std::vector<bool> resident_pages(const std::filesystem::path& path);
[[nodiscard]] std::uint64_t count_resident(const std::filesystem::path& path);

/// Writes dirty pages and asks the kernel to forget the file's. False if it kept some, as file
/// systems in memory do.
[[nodiscard]] bool drop_pages(const std::filesystem::path& path);

/// Bytes of the file that are resident in mappings of this process (/proc/self/smaps).
[[nodiscard]] std::uint64_t mapped_resident_bytes(const std::filesystem::path& path);

} // namespace larql::test
