// Files of tests: whole contents in and out, and the ways to damage a file.
//
// Errors    A file that cannot be read or written ends the test program, and so does one that is
//           larger than any a test makes: read by mistake, a hole of terabytes would take the
//           memory of the machine.

#pragma once

#include "runtime/base/json.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larql::test {

[[nodiscard]] std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);
void write_file(const std::filesystem::path& path, std::span<const std::byte> content);

/// Raw numbers of a file: `read_numbers<float>("tiny.logits.f32")`.
template <class T>
std::vector<T> read_numbers(const std::filesystem::path& path) {
  const auto text = read_file(path);
  auto out = std::vector<T>(text.size() / sizeof(T));
  text.copy(reinterpret_cast<char*>(out.data()), out.size() * sizeof(T));
  return out;
}

/// Cuts a file to `bytes`, or lengthens it with a hole.
void set_file_size(const std::filesystem::path& path, std::uint64_t bytes);
/// Replaces bytes in the middle of a file.
void overwrite(const std::filesystem::path& path, std::uint64_t offset, std::string_view bytes);
/// The same with the bytes of a number.
template <class T>
void overwrite_number(const std::filesystem::path& path, std::uint64_t offset, T number) {
  overwrite(path, offset, {reinterpret_cast<const char*>(&number), sizeof number});
}
/// Reads a JSON file, lets `edit` change it, and writes it back.
void patch_json(const std::filesystem::path& path, const std::function<void(json&)>& edit);

/// Contents of files by their relative names. A failed comparison prints names, sizes and hashes:
/// of contents, GoogleTest would compute a line difference, which takes memory by their square.
struct file_tree : std::map<std::string, std::string> {
  using map::map;
};
void PrintTo(const file_tree& files, std::ostream* out);

/// Every file below `dir`.
[[nodiscard]] file_tree read_tree(const std::filesystem::path& dir);

/// How many files and directories there are below `dir`, which another process may change, rename
/// or remove meanwhile.
[[nodiscard]] std::size_t files_in(const std::filesystem::path& dir);

} // namespace larql::test
