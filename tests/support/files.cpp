#include "tests/support/files.hpp"

#include "runtime/base/check.hpp"
#include "tests/support/json_text.hpp"

#include <fstream>
#include <functional>
#include <iterator>
#include <ostream>

namespace larql::test {

namespace fs = std::filesystem;

constexpr std::uint64_t most_file_bytes = std::uint64_t{1} << 30;

std::string read_file(const fs::path& path) {
  auto error = std::error_code{};
  const auto bytes = fs::file_size(path, error);
  LARQL_CHECK(error || bytes <= most_file_bytes); // an error: it has no size, as a pipe
  auto in = std::ifstream{path, std::ios::binary};
  LARQL_CHECK(in.is_open());
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write_file(const fs::path& path, std::string_view content) {
  fs::create_directories(path.parent_path());
  auto out = std::ofstream{path, std::ios::binary};
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  LARQL_CHECK(out.flush().good());
}

void write_file(const fs::path& path, std::span<const std::byte> content) {
  write_file(path, std::string_view{reinterpret_cast<const char*>(content.data()), content.size()});
}

void set_file_size(const fs::path& path, std::uint64_t bytes) {
  fs::resize_file(path, bytes);
}

void overwrite(const fs::path& path, std::uint64_t offset, std::string_view bytes) {
  auto out = std::fstream{path, std::ios::binary | std::ios::in | std::ios::out};
  out.seekp(static_cast<std::streamoff>(offset));
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  LARQL_CHECK(out.flush().good());
}

void patch_json(const fs::path& path, const std::function<void(json&)>& edit) {
  auto value = parse_json_text(read_file(path));
  edit(value);
  write_file(path, json_text(value));
}

void PrintTo(const file_tree& files, std::ostream* out) {
  for (const auto& [name, content] : files)
    *out << name << " (" << content.size() << " bytes, hash " << std::hex
         << std::hash<std::string>{}(content) << std::dec << "); ";
}

file_tree read_tree(const fs::path& dir) {
  auto out = file_tree{};
  for (const auto& entry : fs::recursive_directory_iterator{dir})
    if (entry.is_regular_file())
      out[entry.path().lexically_relative(dir).string()] = read_file(entry.path());
  return out;
}

std::size_t files_in(const fs::path& dir) {
  auto n = std::size_t{0};
  auto error = std::error_code{};
  for (auto it = fs::recursive_directory_iterator{dir, error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error))
    ++n;
  return n;
}

} // namespace larql::test
