#include "runtime/hub/pull_state.hpp"

#include "runtime/base/file_lock.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/vindex/format.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

namespace larql::hub {

namespace {

constexpr std::uint32_t format_version = 1;
constexpr auto lock_poll = std::chrono::milliseconds{100};

bool is_hex(std::string_view s, std::size_t digits) {
  return s.size() == digits && s.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

} // namespace

result<pull_state> parse_pull_state(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  const auto top = json_fields{parsed, std::string{name}};
  LARQL_TRY_VOID(top.require_version(format_version));
  auto out = pull_state{};
  LARQL_TRY(out.repo, top.string("repo"));
  LARQL_TRY(out.revision, top.string("revision"));
  LARQL_TRY(out.commit, top.string("commit"));
  if (!is_commit_hash(out.commit))
    return fail(errc::corrupt, "{}: field \"commit\" is \"{}\", expected 40 hexadecimal digits",
                name, out.commit.substr(0, 80));
  LARQL_TRY(const auto* files, top.array("files"));
  for (const auto& entry : *files) {
    const auto f = json_fields{entry, fmt::format("{}: files[{}]", name, out.files.size())};
    auto file = remote_file{};
    LARQL_TRY(file.path, f.string("path"));
    LARQL_TRY(file.bytes, f.unsigned_integer("bytes", INT64_MAX));
    LARQL_TRY(file.sha256, f.string("sha256"));
    LARQL_TRY(file.git_blob, f.string("git_blob"));
    if (!is_harmless_path(file.path) || !(is_hex(file.sha256, 64) || is_hex(file.git_blob, 40)))
      return fail(errc::corrupt, "{}: is no plain path with a hash", f.where());
    LARQL_TRY_VOID(check_listed(file, f.where()));
    out.files.push_back(std::move(file));
  }
  return out;
}

std::string write_pull_state(const pull_state& s) {
  auto files = json::array();
  for (const auto& f : s.files)
    files.push_back(
        {{"path", f.path}, {"bytes", f.bytes}, {"sha256", f.sha256}, {"git_blob", f.git_blob}});
  const auto out = json{{"version", format_version},
                        {"repo", s.repo},
                        {"revision", s.revision},
                        {"commit", s.commit},
                        {"files", std::move(files)}};
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

result<std::optional<pull_state>> read_pull_state(const pull_layout& layout) {
  LARQL_TRY(const auto exists, path_exists(layout.state()));
  if (!exists)
    return std::optional<pull_state>{};
  LARQL_TRY(const auto text, read_text_file(layout.state(), vindex::max_json_bytes));
  LARQL_TRY(auto out, parse_pull_state(text, layout.state().string()));
  return std::optional{std::move(out)};
}

pull_lock::pull_lock(pull_lock&& other) noexcept {
  *this = std::move(other);
}

pull_lock& pull_lock::operator=(pull_lock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

pull_lock::~pull_lock() {
  if (fd_ >= 0)
    ::close(fd_);
}

result<pull_lock> pull_lock::take(const pull_layout& layout, const std::function<bool()>& wait) {
  LARQL_TRY_VOID(make_directories(layout.own()));
  auto out = pull_lock{};
  for (;;) {
    out.fd_ = ::open(layout.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (out.fd_ < 0)
      return fail(errc::io, "{}: open: {}", layout.lock().string(), errno_text(errno));
    LARQL_TRY(const auto locked, try_lock(out.fd_, layout.lock()));
    if (locked && is_same_file(out.fd_, layout.lock()))
      return out;
    const auto holder = locked ? std::string{} : lock_holder(out.fd_);
    ::close(std::exchange(out.fd_, -1));
    if (locked) { // a pull that came to nothing has taken the file away
      LARQL_TRY_VOID(make_directories(layout.own()));
      continue;
    }
    if (!wait())
      return fail(errc::unavailable, "{}: {} is pulling into this directory", layout.dir().string(),
                  holder);
    std::this_thread::sleep_for(lock_poll);
  }
}

} // namespace larql::hub
