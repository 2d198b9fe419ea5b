#include "cli/support/line_reader.hpp"

#include "cli/support/interrupt.hpp"
#include "cli/support/output.hpp"

#include <histedit.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <poll.h>
#include <unistd.h>

namespace larql::cli {

namespace {

constexpr auto remembered_lines = 1000;

struct terminal_state {
  const interrupt_scope* signals;
  std::string prompt;
  typed_line* line = nullptr; // while one is typed
};

// One byte; false at the end of input, on an error, and once the user interrupts. Waiting in poll()
// and not in read() lets a signal through that came just before. `meanwhile` is called several
// times a second.
template <class Meanwhile>
bool read_byte(const interrupt_scope& signals, char& out, const Meanwhile& meanwhile) {
  for (;;) {
    meanwhile();
    if (signals.interrupted())
      return false;
    auto in = pollfd{STDIN_FILENO, POLLIN, 0};
    const auto ready = ::poll(&in, 1, 200);
    if (ready < 0 && errno != EINTR)
      return false;
    if (ready <= 0)
      continue;
    const auto n = ::read(STDIN_FILENO, &out, 1);
    if (n == 1)
      return true;
    if (n == 0 || errno != EINTR)
      return false;
  }
}

// What libedit's functions get at the reader by.
terminal_state* state_of(EditLine* e) {
  void* self = nullptr;
  ::el_get(e, EL_CLIENTDATA, &self);
  return static_cast<terminal_state*>(self);
}

// Messages that came while the line was typed stand above it.
void show_messages(EditLine* e) {
  const auto text = state_of(e)->line->take();
  if (text.empty())
    return;
  std::fflush(stdout);
  (void) write_output("\r\x1b[K" + text);
  ::el_set(e, EL_REFRESH, nullptr);
}

int read_character(EditLine* e, wchar_t* out) {
  auto state = mbstate_t{};
  for (;;) {
    auto byte = '\0';
    if (!read_byte(*state_of(e)->signals, byte, [e] { show_messages(e); }))
      return 0;
    const auto n = std::mbrtowc(out, &byte, 1, &state);
    if (n == static_cast<std::size_t>(-1))
      state = {}; // not a character of this locale: dropped
    else if (n != static_cast<std::size_t>(-2))
      return 1;
  }
}

} // namespace

struct line_reader::terminal {
  EditLine* edit = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::filesystem::path file;
  terminal_state state;

  terminal(std::filesystem::path path, const interrupt_scope& signals)
      : file(std::move(path)), state{&signals, {}, nullptr} {
    std::setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
      std::setlocale(LC_CTYPE, "C.UTF-8");
    edit = ::el_init("larql", stdin, stdout, stderr);
    history = ::history_init();
    ::history(history, &event, H_SETSIZE, remembered_lines);
    ::history(history, &event, H_SETUNIQUE, 1);
    if (!file.empty())
      ::history(history, &event, H_LOAD, file.c_str());
    ::el_set(edit, EL_CLIENTDATA, &state);
    ::el_set(
        edit, EL_PROMPT, +[](EditLine* e) { return state_of(e)->prompt.data(); });
    ::el_set(edit, EL_HIST, ::history, history);
    ::el_set(edit, EL_EDITOR, "emacs");
    ::el_set(edit, EL_GETCFN, read_character);
    ::el_source(edit, nullptr); // ~/.editrc
  }

  ~terminal() {
    if (!file.empty()) {
      auto ignored = std::error_code{};
      std::filesystem::create_directories(file.parent_path(), ignored);
      ::history(history, &event, H_SAVE, file.c_str());
      std::filesystem::permissions(
          file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, ignored);
    }
    ::history_end(history);
    ::el_end(edit);
  }
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;
};

line_reader::line_reader(std::filesystem::path history, const interrupt_scope& signals)
    : signals_(signals) {
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0)
    terminal_ = std::make_unique<terminal>(std::move(history), signals);
}

line_reader::~line_reader() = default;

std::optional<std::string> line_reader::one_line(const std::string& prompt) {
  if (!terminal_) {
    auto line = std::string{};
    for (auto byte = '\0'; read_byte(signals_, byte, [] {});) {
      if (byte == '\n' && line.ends_with('\r')) // files of other systems
        line.pop_back();
      if (byte == '\n')
        return line;
      line += byte;
    }
    return line.empty() ? std::nullopt : std::optional{line};
  }
  terminal_->state.prompt = prompt;
  auto length = 0;
  const char* text = nullptr;
  {
    auto line = typed_line{};
    terminal_->state.line = &line;
    text = ::el_gets(terminal_->edit, &length);
    terminal_->state.line = nullptr;
  }
  if (text == nullptr || length <= 0) {
    std::fputc('\n', stdout);
    if (!signals_.interrupted() || signals_.terminated())
      return std::nullopt;
    ::el_reset(terminal_->edit);
    return std::string{};
  }
  auto line = std::string{text, static_cast<std::size_t>(length)};
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
    line.pop_back();
  return line;
}

std::optional<std::string> line_reader::next(const std::string& prompt) {
  auto whole = std::string{};
  for (auto p = prompt;;
       p = std::string(prompt.size() - std::min<std::size_t>(4, prompt.size()), ' ') + "... ") {
    auto line = one_line(p);
    if (!line)
      return whole.empty() ? std::nullopt : std::optional{whole};
    if (signals_.interrupted())
      return std::string{};
    const auto goes_on = !line->empty() && line->back() == '\\';
    if (goes_on)
      line->back() = '\n';
    whole += *line;
    if (!goes_on)
      break;
  }
  if (terminal_ && !whole.empty())
    ::history(terminal_->history, &terminal_->event, H_ENTER, whole.c_str());
  return whole;
}

} // namespace larql::cli
