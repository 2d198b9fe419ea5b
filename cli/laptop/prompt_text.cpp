#include "cli/laptop/prompt_text.hpp"

#include "runtime/base/format_bytes.hpp"
#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace larql::cli {

namespace {

// Far more than any context holds; what never ends must not fill the memory.
constexpr std::size_t most_bytes = 256u << 20;

result<std::string> read_to_end(int fd, const std::string& name, const interrupt_scope& signals) {
  auto out = std::string{};
  for (;;) {
    if (signals.interrupted())
      return fail(errc::cancelled, "{}: stopped while the prompt was read", name);
    auto ready = pollfd{fd, POLLIN, 0};
    const auto n_ready = ::poll(&ready, 1, 200);
    if (n_ready <= 0 && (n_ready == 0 || errno == EINTR))
      continue;
    char buffer[1 << 16];
    const auto n = ::read(fd, buffer, sizeof buffer);
    if (n == 0)
      break;
    if (n < 0 && errno != EINTR && errno != EAGAIN)
      return fail(errc::io, "{}: {}", name, std::generic_category().message(errno));
    out.append(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
    if (out.size() > most_bytes)
      return fail(errc::usage, "{}: the prompt is longer than {}", name, format_bytes(most_bytes));
  }
  if (out.ends_with('\n'))
    out.pop_back();
  if (out.ends_with('\r'))
    out.pop_back();
  return out;
}

result<std::string> read_file(const std::filesystem::path& path, const interrupt_scope& signals) {
  const auto fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(errno == ENOENT ? errc::not_found : errc::io, "{}: {}", path.string(),
                std::generic_category().message(errno));
  auto text = read_to_end(fd, path.string(), signals);
  ::close(fd);
  return text;
}

bool is_there(const std::string& path) {
  auto ignored = std::error_code{};
  return std::filesystem::exists(path, ignored);
}

// A single argument that is no model is a prompt whose model was forgotten.
failure no_prompt(const std::string& model) {
  if (!model.empty() && !model.starts_with("hf://") && !is_there(model) &&
      model.find_first_of(" ?\n") != std::string::npos)
    return fail(errc::usage,
                "\"{}\" looks like a prompt; the model comes first: larql run MODEL \"{}\"", model,
                model);
  const auto name = model.empty() ? std::string{"MODEL"} : model;
  return fail(errc::usage,
              "the prompt is missing: larql run {0} \"PROMPT\", or -f FILE, or a pipe; `larql chat "
              "{0}` holds a conversation",
              name);
}

} // namespace

result<std::string> read_prompt(const prompt_source& from, const interrupt_scope& signals) {
  if (from.argument && !from.file.empty())
    return fail(errc::usage, "a prompt and --file exclude each other");
  const auto from_input = from.argument == "-" || from.file == "-" ||
                          (!from.argument && from.file.empty() && ::isatty(STDIN_FILENO) == 0);
  if (from.argument && !from_input)
    return from.argument->empty() ? fail(errc::usage, "the prompt is empty")
                                  : result<std::string>{*from.argument};
  if (!from_input && from.file.empty())
    return no_prompt(from.model);
  LARQL_TRY(auto text, from_input ? read_to_end(STDIN_FILENO, "standard input", signals)
                                  : read_file(from.file, signals));
  if (!text.empty())
    return text;
  if (!from.argument && from.file.empty())
    return no_prompt(from.model);
  return fail(errc::usage, "{}: the prompt is empty",
              from_input ? "standard input" : from.file.string());
}

} // namespace larql::cli
