#include "cli/support/line_terminal.hpp"

#include "cli/support/environment.hpp"
#include "cli/support/paste_reader.hpp"
#include "cli/support/terminal_modes.hpp"
#include "cli/support/typed_ahead.hpp"

#include <histedit.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <vector>

namespace larql::cli {

namespace {

constexpr auto remembered_lines = 1000;
// A paste beyond this would leave no room on the screen for anything else.
constexpr auto most_shown_lines = 10;
constexpr std::size_t most_shown_bytes = 1000;
// Stands for "a text came at once" among the keys: Ctrl-\, which a terminal never sends, because it
// is the key of SIGQUIT.
constexpr wchar_t insert_key = 0x1c;
constexpr char end_of_input_key = 0x04;
constexpr std::string_view line_end_keys = "\x1b\r"; // larql-newline

struct kept_paste {
  std::string mark; ///< what stands in the line
  std::string text;
};

// Characters of the locale; bytes that are none are left out.
std::wstring wide_text(std::string_view text) {
  auto out = std::wstring{};
  auto state = mbstate_t{};
  while (!text.empty()) {
    auto c = wchar_t{};
    const auto n = std::mbrtowc(&c, text.data(), text.size(), &state);
    const auto is_character = n != 0 && n <= text.size();
    if (is_character)
      out += c;
    else
      state = {};
    text.remove_prefix(is_character ? n : 1);
  }
  return out;
}

std::string mark_of(std::string_view text, std::size_t number) {
  const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
  return lines == 1 ? fmt::format("[pasted text {}: {} bytes]", number, text.size())
                    : fmt::format("[pasted text {}: {} lines]", number, lines);
}

} // namespace

struct line_terminal::state {
  const interrupt_scope* signals = nullptr;
  EditLine* edit = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::filesystem::path file;
  std::string prompt;
  std::optional<terminal_modes> modes;
  std::optional<typed_ahead> ahead; ///< while no line is typed
  std::string early;                ///< came before the line
  std::size_t early_taken = 0;      ///< bytes of it
  std::size_t early_line_ends = 0;  ///< of it, taken and not passed on: the last ones are dropped

  // While a line is typed.
  held_messages* messages = nullptr;
  typing_signals* jobs = nullptr;
  paste_reader keys;
  std::string typed;     ///< bytes that were read and not taken yet
  std::string to_insert; ///< for insert_key
  std::vector<kept_paste> pastes;

  [[nodiscard]] bool next_input(paste_reader::input& out);
  void draw_again() {
    std::fflush(stdout);
    draw_text("\r\x1b[J");
    ::el_set(edit, EL_REFRESH, nullptr);
  }
  [[nodiscard]] std::string shown_paste(const std::string& raw);
  void look_around();
  int read_character(wchar_t* out);
};

namespace {

// What libedit's functions get at the reader by.
line_terminal::state* state_of(EditLine* e) {
  void* self = nullptr;
  ::el_get(e, EL_CLIENTDATA, &self);
  return static_cast<line_terminal::state*>(self);
}

unsigned char insert_text(EditLine* e, int) {
  const auto text = wide_text(std::exchange(state_of(e)->to_insert, {}));
  return ::el_winsertstr(e, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

unsigned char insert_line_end(EditLine* e, int) {
  return ::el_winsertstr(e, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
}

} // namespace

std::string line_terminal::state::shown_paste(const std::string& raw) {
  auto text = clean_paste(raw);
  const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
  if (lines <= most_shown_lines && text.size() <= most_shown_bytes)
    return text;
  auto mark = mark_of(text, pastes.size() + 1);
  pastes.push_back({mark, std::move(text)});
  return mark;
}

// What happened since: a message, another size, a stop, the foreground.
void line_terminal::state::look_around() {
  const auto stops = jobs->take_stop();
  if (stops) {
    ::el_set(edit, EL_PREP_TERM, 0);
    modes->give_back();
    (void) write_output("\n");
    jobs->stop();
  }
  if (jobs->take_foreground() || stops) {
    modes->lost();
    modes->take();
    ::el_set(edit, EL_PREP_TERM, 0); // else libedit believes that its modes are in force
    ::el_set(edit, EL_PREP_TERM, 1);
    draw_again();
  }
  if (jobs->take_resize()) {
    ::el_resize(edit);
    draw_again();
  }
  if (const auto text = messages->take(); !text.empty()) {
    std::fflush(stdout);
    (void) write_output("\r\x1b[K" + text);
    ::el_set(edit, EL_REFRESH, nullptr);
  }
}

// A key, or a paste: of what came before the line, then of what comes now. Enter sent nothing when
// it came early, and Ctrl-D ended nothing.
bool line_terminal::state::next_input(paste_reader::input& out) {
  auto byte = '\0';
  if (early_taken == early.size()) {
    early.clear();
    early_taken = early_line_ends = 0;
    if (!read_byte(*signals, byte, [this] { look_around(); }))
      return false;
    out = keys.add(byte);
    return true;
  }
  auto read = keys.add(early[early_taken++]);
  out = {};
  for (const auto key : read.typed) {
    if (key == '\r' || key == '\n') {
      ++early_line_ends;
    } else if (key != end_of_input_key) {
      for (; early_line_ends != 0; --early_line_ends)
        out.typed += line_end_keys;
      out.typed += key;
    }
  }
  if (read.pasted)
    out.pasted = std::string(std::exchange(early_line_ends, 0), '\n') + *read.pasted;
  return true;
}

int line_terminal::state::read_character(wchar_t* out) {
  auto multibyte = mbstate_t{};
  for (;;) {
    if (!to_insert.empty()) {
      *out = insert_key;
      return 1;
    }
    while (!typed.empty()) {
      const auto byte = typed.front();
      typed.erase(0, 1);
      const auto n = std::mbrtowc(out, &byte, 1, &multibyte);
      if (n == static_cast<std::size_t>(-1))
        multibyte = {}; // not a character of this locale: dropped
      else if (n != static_cast<std::size_t>(-2))
        return 1;
    }
    auto read = paste_reader::input{};
    if (!next_input(read))
      return 0;
    typed += read.typed;
    if (read.pasted)
      to_insert = shown_paste(*read.pasted);
  }
}

line_terminal::line_terminal(std::filesystem::path history, const interrupt_scope& signals)
    : state_(std::make_unique<state>()) {
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1)
    std::setlocale(LC_CTYPE, "C.UTF-8");
  auto& s = *state_;
  s.signals = &signals;
  s.file = std::move(history);
  s.modes.emplace(process_environment("TERM").value_or("dumb") != "dumb");
  s.edit = ::el_init("larql", stdin, stdout, stderr);
  s.history = ::history_init();
  ::history(s.history, &s.event, H_SETSIZE, remembered_lines);
  ::history(s.history, &s.event, H_SETUNIQUE, 1);
  if (!s.file.empty())
    ::history(s.history, &s.event, H_LOAD, s.file.c_str());
  ::el_set(s.edit, EL_CLIENTDATA, &s);
  ::el_set(
      s.edit, EL_PROMPT, +[](EditLine* e) { return state_of(e)->prompt.data(); });
  ::el_set(s.edit, EL_HIST, ::history, s.history);
  ::el_set(s.edit, EL_EDITOR, "emacs");
  ::el_set(s.edit, EL_ADDFN, "larql-newline", "Begins another line", insert_line_end);
  ::el_set(s.edit, EL_ADDFN, "larql-insert", "Inserts a paste", insert_text);
  ::el_set(s.edit, EL_BIND, "^\\", "larql-insert", nullptr);
  ::el_set(s.edit, EL_BIND, "^I", "ed-insert", nullptr);
  ::el_set(s.edit, EL_BIND, "\\e^M", "larql-newline", nullptr);
  ::el_set(s.edit, EL_BIND, "\\e^J", "larql-newline", nullptr);
  ::el_set(
      s.edit, EL_GETCFN,
      +[](EditLine* e, wchar_t* out) { return state_of(e)->read_character(out); });
  ::el_source(s.edit, nullptr); // ~/.editrc
  take();
}

line_terminal::~line_terminal() {
  auto& s = *state_;
  if (!s.file.empty()) {
    auto ignored = std::error_code{};
    std::filesystem::create_directories(s.file.parent_path(), ignored);
    ::history(s.history, &s.event, H_SAVE, s.file.c_str());
    std::filesystem::permissions(
        s.file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, ignored);
  }
  ::history_end(s.history);
  s.ahead.reset();
  ::el_end(s.edit);
}

void line_terminal::take() {
  auto& s = *state_;
  s.modes->take();
  s.ahead.emplace(*s.modes);
}

void line_terminal::lend() {
  auto& s = *state_;
  s.early += s.ahead->finish();
  s.ahead.reset();
  s.modes->give_back();
}

std::optional<std::string> line_terminal::read(const std::string& prompt,
                                               const std::string& begin) {
  auto& s = *state_;
  s.prompt = prompt;
  s.keys = {};
  s.pastes.clear();
  s.early += s.ahead->finish();
  s.ahead.reset();
  auto length = 0;
  const char* text = nullptr;
  {
    auto messages = held_messages{};
    auto jobs = typing_signals{};
    s.messages = &messages;
    s.jobs = &jobs;
    s.to_insert = begin; // el_gets() begins with an empty line
    text = ::el_gets(s.edit, &length);
    s.messages = nullptr;
    s.jobs = nullptr;
  }
  take();
  if (text == nullptr || length <= 0)
    return std::nullopt;
  auto line = std::string{text, static_cast<std::size_t>(length)};
  while (line.ends_with('\n') || line.ends_with('\r'))
    line.pop_back();
  for (const auto& paste : s.pastes)
    if (const auto at = line.find(paste.mark); at != std::string::npos)
      line.replace(at, paste.mark.size(), paste.text);
  return line;
}

void line_terminal::reset() {
  state_->typed.clear();
  ::el_reset(state_->edit);
}

void line_terminal::remember(const std::string& line) {
  ::history(state_->history, &state_->event, H_ENTER, line.c_str());
}

} // namespace larql::cli
