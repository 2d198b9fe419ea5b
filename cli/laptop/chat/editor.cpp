#include "cli/laptop/chat/editor.hpp"

#include "cli/support/environment.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_bytes = 64u << 20;

// A file that goes with its owner.
struct draft_file {
  fs::path path;
  explicit draft_file(fs::path p) : path(std::move(p)) {}
  ~draft_file() {
    auto ignored = std::error_code{};
    fs::remove(path, ignored);
  }
  draft_file(const draft_file&) = delete;
  draft_file& operator=(const draft_file&) = delete;
};

std::string editor_command() {
  for (const auto* name : {"VISUAL", "EDITOR"})
    if (auto value = process_environment(name))
      return *value;
  return "editor";
}

// The shell splits a command like "code --wait", and the file's name is its first argument.
result<int> run_editor(const std::string& command, const fs::path& file) {
  const auto line = command + " \"$1\"";
  const auto child = ::fork();
  if (child < 0)
    return fail(errc::io, "{}: {}", command, std::generic_category().message(errno));
  if (child == 0) {
    for (const auto signal : {SIGINT, SIGTERM, SIGPIPE})
      std::signal(signal, SIG_DFL);
    ::execl("/bin/sh", "sh", "-c", line.c_str(), "sh", file.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  auto status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return fail(errc::io, "{}: {}", command, std::generic_category().message(errno));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

result<std::string> edit_text(const std::string& text) {
  auto ec = std::error_code{};
  const auto dir = fs::temp_directory_path(ec);
  if (ec)
    return fail(errc::io, "no directory for a draft: {}", ec.message());
  const auto draft = draft_file{dir / ("larql-" + random_name() + ".md")};
  LARQL_TRY(auto out, file_writer::create(draft.path, file_access::owner_only));
  LARQL_TRY_VOID(out.write(std::as_bytes(std::span{text})));
  LARQL_TRY_VOID(out.commit());
  const auto command = editor_command();
  LARQL_TRY(const auto code, run_editor(command, draft.path));
  if (code != 0)
    return fail(errc::io, "{}: exit code {}; nothing was sent ($VISUAL and $EDITOR choose another)",
                command, code);
  LARQL_TRY(auto edited, read_text_file(draft.path, max_bytes));
  while (edited.ends_with('\n') || edited.ends_with('\r'))
    edited.pop_back();
  return edited;
}

} // namespace larql::cli
