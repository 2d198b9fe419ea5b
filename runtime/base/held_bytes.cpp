#include "runtime/base/held_bytes.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/parse_number.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace larql {

namespace {

constexpr std::uint64_t max_list_bytes = 64u << 20;

std::string first_line(std::uint64_t bytes) {
  return fmt::format("larql-held 1 {}\n", bytes);
}

std::string text_of(const interval_set& held, std::uint64_t bytes) {
  auto out = first_line(bytes);
  for (const auto i : held.intervals())
    out += fmt::format("{} {}\n", i.begin, i.end);
  return out;
}

} // namespace

std::filesystem::path held_path(const std::filesystem::path& file) {
  return file.string() + ".held";
}

interval_set parse_held(std::string_view text, std::uint64_t bytes) {
  auto out = interval_set{};
  const auto head = first_line(bytes);
  if (!text.starts_with(head))
    return out;
  text.remove_prefix(head.size());
  for (;;) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos)
      return out;
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto space = line.find(' ');
    if (space == std::string_view::npos)
      return out;
    const auto first = parse_number<std::uint64_t>(line.substr(0, space));
    const auto last = parse_number<std::uint64_t>(line.substr(space + 1));
    if (!first || !last || *first >= *last || *last > bytes)
      return out;
    out.add({*first, *last});
  }
}

result<std::optional<interval_set>> read_held(const std::filesystem::path& file) {
  const auto path = held_path(file);
  LARQL_TRY(const auto exists, path_exists(path));
  if (!exists)
    return std::optional<interval_set>{};
  LARQL_TRY(const auto text, read_text_file(path, max_list_bytes));
  auto error = std::error_code{};
  const auto bytes = std::filesystem::file_size(file, error);
  return std::optional{parse_held(text, error ? 0 : bytes)};
}

result<void> write_held(const std::filesystem::path& file, const interval_set& held,
                        std::uint64_t bytes) {
  return write_text_file(held_path(file), text_of(held, bytes));
}

held_writer::held_writer(held_writer&& other) noexcept {
  *this = std::move(other);
}

held_writer& held_writer::operator=(held_writer&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(held_, other.held_);
  return *this;
}

held_writer::~held_writer() {
  if (fd_ >= 0)
    ::close(fd_);
}

result<held_writer> held_writer::open(const std::filesystem::path& file, std::uint64_t bytes) {
  auto out = held_writer{};
  out.path_ = held_path(file);
  if (const auto text = read_text_file(out.path_, max_list_bytes))
    out.held_ = parse_held(*text, bytes);
  // Written anew, so that what follows a torn line counts.
  LARQL_TRY_VOID(write_text_file(out.path_, text_of(out.held_, bytes)));
  out.fd_ = ::open(out.path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (out.fd_ < 0)
    return fail(errc::io, "{}: open: {}", out.path_.string(), errno_text(errno));
  return out;
}

result<void> held_writer::add(interval i) {
  const auto line = fmt::format("{} {}\n", i.begin, i.end);
  const auto n = ::write(fd_, line.data(), line.size());
  if (n != static_cast<ssize_t>(line.size()))
    return fail(errc::io, "{}: write: {}", path_.string(), n < 0 ? errno_text(errno) : "disk full");
  if (::fdatasync(fd_) != 0)
    return fail(errc::io, "{}: fdatasync: {}", path_.string(), errno_text(errno));
  held_.add(i);
  return {};
}

} // namespace larql
