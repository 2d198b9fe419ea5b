#include "tests/support/tmux_terminal.hpp"

#include "tests/support/child_process.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process_facts.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace larql::test {

bool tmux_terminal::is_there() {
  return std::filesystem::exists("/usr/bin/tmux");
}

std::vector<std::string> tmux_terminal::command(std::vector<std::string> arguments) const {
  auto out = std::vector<std::string>{"/usr/bin/tmux", "-S", (scratch_ / "socket").string(), "-f",
                                      "/dev/null"};
  out.insert(out.end(), arguments.begin(), arguments.end());
  return out;
}

void tmux_terminal::tmux(std::vector<std::string> arguments) const {
  const auto done = run(command(std::move(arguments)));
  EXPECT_EQ(done.code, 0) << done.err;
}

tmux_terminal::tmux_terminal(unsigned columns, unsigned rows) {
  const auto done = run(
      command({"-u", "new-session", "-d", "-x", std::to_string(columns), "-y", std::to_string(rows),
               "exec env 'PS1=sh: ' bash --norc --noprofile -i"}), // shells that do not ask drop a
                                                                   // prompt
      {{"TERM", "xterm-256color"}, {"LC_ALL", "C.UTF-8"}, {"HISTFILE", ""}});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(wait_for("sh: ")) << screen();
}

tmux_terminal::~tmux_terminal() {
  (void) run(command({"kill-server"}));
}

void tmux_terminal::type(const std::string& text) const {
  tmux({"send-keys", "-l", "--", text});
}

void tmux_terminal::press(const std::string& key) const {
  tmux({"send-keys", key});
}

void tmux_terminal::enter(const std::string& line) const {
  type(line);
  press("Enter");
}

bool tmux_terminal::bring_back(const std::string& program) const {
  enter("fg");
  return eventually([&] {
    return run(command({"display-message", "-p", "#{pane_current_command}"})).out == program + "\n";
  });
}

void tmux_terminal::paste(const std::string& text) const {
  const auto file = scratch_ / "paste";
  write_file(file, text);
  tmux({"load-buffer", file.string()});
  tmux(
      {"paste-buffer", "-p", "-r"}); // bracketed if the program asked for it; line ends as they are
}

void tmux_terminal::resize(unsigned columns, unsigned rows) const {
  tmux({"resize-window", "-x", std::to_string(columns), "-y", std::to_string(rows)});
}

std::string tmux_terminal::screen() const {
  return run(command({"capture-pane", "-p", "-J", "-S", "-"})).out;
}

std::vector<std::string> tmux_terminal::rows() const {
  auto out = std::vector<std::string>{};
  const auto text = run(command({"capture-pane", "-p", "-S", "-"})).out;
  for (auto at = std::size_t{0}; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool tmux_terminal::wait_for(const std::string& text, unsigned times) const {
  return eventually([&] { return count_of(screen(), text) >= times; });
}

unsigned count_of(const std::string& text, const std::string& what) {
  auto n = 0u;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++n;
  return n;
}

std::string shell_line(const std::vector<std::string>& command) {
  auto out = std::string{};
  for (const auto& word : command)
    out += fmt::format("{}'{}'", out.empty() ? "" : " ", word); // none has a quote in it
  return out;
}

} // namespace larql::test
