#include "runtime/hub/journal.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/parse_number.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace larql::hub {

namespace {

constexpr std::uint64_t max_journal_bytes = 256u << 20;
constexpr std::string_view unknown_boot = "unknown";

std::string first_line(const content_id& of) {
  return fmt::format("larql-pull 1 {} {}\n", of.bytes, of.name);
}

// "BEGIN END", both within the file.
bool parse_interval(std::string_view text, std::uint64_t file_bytes, interval& out) {
  const auto space = text.find(' ');
  if (space == std::string_view::npos)
    return false;
  const auto begin = parse_number<std::uint64_t>(text.substr(0, space));
  const auto end = parse_number<std::uint64_t>(text.substr(space + 1));
  if (!begin || !end || *begin >= *end || *end > file_bytes)
    return false;
  out = {*begin, *end};
  return true;
}

// False if the line means nothing.
bool apply(std::string_view line, std::uint64_t file_bytes, journal_state& state) {
  auto i = interval{};
  if (line.size() < 3 || line[1] != ' ' || !parse_interval(line.substr(2), file_bytes, i))
    return false;
  switch (line[0]) {
  case '+': state.held.add(i); return true;
  case '-':
    state.held.remove(i);
    state.verified.remove(i);
    return true;
  case 'v':
    if (!state.held.contains(interval_set{i}))
      return false;
    state.verified.add(i);
    return true;
  default: return false;
  }
}

} // namespace

journal_state parse_journal(std::string_view text, const content_id& of, std::string_view boot) {
  const auto head = first_line(of);
  if (!text.starts_with(head))
    return {};
  text.remove_prefix(head.size());
  auto now = journal_state{}, on_disk = journal_state{};
  auto same_boot = false;
  for (;;) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos)
      break;
    const auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line == "sync") {
      on_disk = now;
    } else if (line.starts_with("boot ")) {
      same_boot = line.substr(5) == boot && !boot.empty() && boot != unknown_boot;
    } else if (!apply(line, of.bytes, now)) {
      break;
    }
  }
  return same_boot ? now : on_disk;
}

std::string write_journal(const journal_state& state, const content_id& of, std::string_view boot) {
  auto out = first_line(of);
  out += fmt::format("boot {}\n", boot.empty() ? unknown_boot : boot);
  for (const auto i : state.held.intervals())
    out += fmt::format("+ {} {}\n", i.begin, i.end);
  for (const auto i : state.verified.intervals())
    out += fmt::format("v {} {}\n", i.begin, i.end);
  return out + "sync\n";
}

std::string boot_id() {
  // The file claims to be empty, so it is read piece by piece.
  const auto fd = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  char text[64];
  const auto n = fd < 0 ? -1 : ::read(fd, text, sizeof text);
  if (fd >= 0)
    ::close(fd);
  auto out = std::string{text, n > 0 ? static_cast<std::size_t>(n) : 0};
  return out.substr(0, out.find('\n'));
}

journal_state read_journal(const std::filesystem::path& path, const content_id& of) {
  const auto text = read_text_file(path, max_journal_bytes);
  return text ? parse_journal(*text, of, boot_id()) : journal_state{};
}

journal::journal(journal&& other) noexcept {
  *this = std::move(other);
}

journal& journal::operator=(journal&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(state_, other.state_);
  return *this;
}

journal::~journal() {
  if (fd_ >= 0)
    ::close(fd_);
}

result<journal> journal::create(const std::filesystem::path& path, const content_id& of,
                                journal_state state) {
  LARQL_TRY_VOID(write_text_file(path, write_journal(state, of, boot_id())));
  auto out = journal{};
  out.path_ = path;
  out.state_ = std::move(state);
  out.fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (out.fd_ < 0)
    return fail(errc::io, "{}: open: {}", path.string(), errno_text(errno));
  return out;
}

result<void> journal::append(std::string_view line) {
  // One write: a line is there or not. A torn one ends the trust in what follows, so stop there.
  const auto n = ::write(fd_, line.data(), line.size());
  if (n == static_cast<ssize_t>(line.size()))
    return {};
  return fail(errc::io, "{}: write: {}", path_.string(), n < 0 ? errno_text(errno) : "disk full");
}

result<void> journal::add(interval i) {
  state_.held.add(i);
  return append(fmt::format("+ {} {}\n", i.begin, i.end));
}

result<void> journal::verified(interval i) {
  state_.verified.add(i);
  return append(fmt::format("v {} {}\n", i.begin, i.end));
}

result<void> journal::discard(interval i) {
  state_.held.remove(i);
  state_.verified.remove(i);
  return append(fmt::format("- {} {}\n", i.begin, i.end));
}

result<void> journal::synced() {
  LARQL_TRY_VOID(append("sync\n"));
  if (::fdatasync(fd_) != 0)
    return fail(errc::io, "{}: fdatasync: {}", path_.string(), errno_text(errno));
  return {};
}

} // namespace larql::hub
