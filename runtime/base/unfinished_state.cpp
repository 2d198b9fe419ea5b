#include "runtime/base/unfinished_state.hpp"

#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace larql {

namespace {

constexpr std::size_t max_state_bytes = 16 << 20;

failure error(const std::filesystem::path& dir, std::string_view what) {
  const auto path = dir / unfinished_state_file;
  return fail(errc::io, "{}: {}: {}", path.string(), what, errno_text(errno));
}

} // namespace

unfinished_state parse_unfinished_state(std::string_view text) {
  auto out = unfinished_state{};
  const auto first = text.find('\n');
  out.made = text.substr(0, first);
  if (first == std::string_view::npos)
    return out;
  for (auto rest = text.substr(first + 1);;) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) // a torn line at the end: nothing followed it
      return out;
    const auto line = rest.substr(0, end);
    out.finished = out.finished || line == unfinished_step::finished;
    out.exchange = out.exchange || line == unfinished_step::exchange;
    // Of several the last one counts. A name as this program gives it, never a path.
    if (line.starts_with(fmt::format("{}.", unfinished_step::aside)) && line.ends_with(".old") &&
        line.find('/') == std::string_view::npos)
      out.aside = line.substr(unfinished_step::aside.size());
    rest.remove_prefix(end + 1);
  }
}

result<int> open_unfinished_state(const std::filesystem::path& dir, bool create) {
  const auto fd = ::open((dir / unfinished_state_file).c_str(),
                         O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0), 0644);
  // ELOOP: a link is no state file.
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR && (create || errno != ELOOP))
    return error(dir, "open");
  return fd;
}

result<unfinished_state> read_unfinished_state(int fd, const std::filesystem::path& dir) {
  auto text = std::string{};
  char buffer[4096];
  for (;;) {
    const auto n = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return error(dir, "read");
    if (n == 0)
      return parse_unfinished_state(text);
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > max_state_bytes)
      return fail(errc::corrupt, "{}: is larger than {} bytes",
                  (dir / unfinished_state_file).string(), max_state_bytes);
  }
}

result<void> append_line(int fd, const std::filesystem::path& dir, std::string_view line) {
  const auto text = fmt::format("{}\n", line);
  if (::lseek(fd, 0, SEEK_END) < 0)
    return error(dir, "seek");
  const auto n = ::write(fd, text.data(), text.size());
  if (n >= 0 && n != static_cast<ssize_t>(text.size()))
    errno = ENOSPC;
  if (n != static_cast<ssize_t>(text.size()))
    return error(dir, "write");
  return ::fsync(fd) == 0 ? result<void>{} : error(dir, "fsync");
}

} // namespace larql
