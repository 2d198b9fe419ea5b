#include "cli/support/manual.hpp"

#include "cli/support/command.hpp"
#include "cli/support/environment.hpp"
#include "cli/support/version.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace larql::cli {

namespace {

// Text as man(7) takes it: no escape begins, no line is a request, no dash becomes typography.
std::string roff(std::string_view text) {
  auto out = std::string{};
  for (auto i = std::size_t{0}; i < text.size(); ++i) {
    const auto c = text[i];
    if ((i == 0 || text[i - 1] == '\n') && (c == '.' || c == '\''))
      out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

// Command lines and tables as they are.
std::string verbatim(std::string_view text) {
  return fmt::format(".PP\n.nf\n{}{}.fi\n", roff(text), text.ends_with('\n') ? "" : "\n");
}

std::string examples_of(const command_description& c) {
  return c.examples.empty() ? std::string{}
                            : verbatim(fmt::format("{}", fmt::join(c.examples, "\n")));
}

std::string environment() {
  auto out = std::string{".SH ENVIRONMENT\n"};
  for (const auto& v : common_variables())
    out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(v.name), roff(v.text));
  return out;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string value_of(const option_description& o) {
  if (o.choices.empty())
    return "\\fIVALUE\\fR";
  auto out = std::string{};
  for (const auto& c : o.choices)
    out += (out.empty() ? "" : "|\\:") + roff(c);
  return out;
}

std::string options(const command_description& c) {
  auto out = std::string{};
  for (const auto& o : c.options) {
    auto names = std::string{};
    for (const auto& name : o.names)
      names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ",
                           roff(o.positional ? upper(name) : name));
    if (o.takes_value && !o.positional)
      names += ' ' + value_of(o);
    out += fmt::format(".TP\n{}\n{}{}\n", names, roff(o.text),
                       o.default_value.empty() ? "" : roff(" (default: " + o.default_value + ")"));
  }
  return out;
}

std::string synopsis(const command_description& c) {
  auto out = fmt::format("\\fB{}\\fR", roff(c.path));
  if (!c.commands.empty())
    return out + " \\fICOMMAND\\fR ...";
  out += " [\\fIOPTIONS\\fR]";
  for (const auto& o : c.options)
    if (o.positional)
      out += fmt::format(" {1}\\fI{0}\\fR{2}", roff(upper(o.names[0])), o.required ? "" : "[",
                         o.required ? "" : "]");
  return out;
}

constexpr auto exit_codes = R"(.SH EXIT STATUS
.TP
0
Success.
.TP
1
Failure; standard error says what failed.
.TP
2
Wrong usage or settings: the same call fails again.
.TP
3
A page of a mapped file could not be read: the disk failed or the file was cut. Standard error names
the file.
.TP
129, 130, 143
The terminal has gone (SIGHUP), interrupted (SIGINT), ended by SIGTERM. A daemon that has drained ends with 0.
.TP
141
The reader of standard output has gone.
)";

constexpr auto daemon_signals = R"(.SH SIGNALS
.TP
SIGTERM, SIGINT
Drain: no call is accepted any more, accepted ones are answered, then the program ends with 0. While
the node loads it ends at once.
.TP
SIGHUP
Certificates, keys and the cluster secret are read again; connections that are open stay.
)";

constexpr auto command_signals = R"(.SH SIGNALS
.TP
SIGINT, SIGTERM, SIGHUP
The first ends the work in good order, the second at once. In a chat SIGINT ends the answer.
)";

std::optional<shell> shell_by_name(std::string_view name) {
  if (name == "bash")
    return shell::bash;
  if (name == "zsh")
    return shell::zsh;
  if (name == "fish")
    return shell::fish;
  return std::nullopt;
}

} // namespace

std::string manual_page(const command_description& program, int section,
                        const std::string& version) {
  auto out = fmt::format(".TH {} {} \"\" \"larql {}\" \"{}\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n",
                         roff(upper(program.path)), section, version,
                         section == 8 ? "System Administration" : "User Commands",
                         roff(program.path), roff(program.text));
  const auto commands = all_commands(program);
  for (const auto* c : commands)
    if (c->commands.empty())
      out += synopsis(*c) + "\n.br\n";
  out += fmt::format(".SH OPTIONS\n{}", options(program));
  if (commands.size() > 1) {
    out += ".SH COMMANDS\n";
    for (const auto* c : commands)
      if (c != &program)
        out +=
            fmt::format(".SS {}\n{}\n.PP\n{}\n{}{}{}", roff(c->path), roff(c->text), synopsis(*c),
                        options(*c), examples_of(*c), c->notes.empty() ? "" : verbatim(c->notes));
  }
  out += exit_codes;
  out += environment();
  out += section == 8 ? daemon_signals : command_signals;
  out += ".SH EXAMPLES\n" + examples_of(program);
  out += fmt::format(".SH SEE ALSO\n{}\n.PP\nThe documents in /usr/share/doc/larql.\n",
                     section == 8 ? "\\fBlarql\\fR(1)" : "\\fBlarql\\-node\\fR(8)");
  return out;
}

std::optional<int> print_documentation(const command_parser& program, int section, int argc,
                                       const char* const* argv) {
  const auto words = std::vector<std::string_view>(argv + std::min(argc, 1), argv + argc);
  if (words.size() == 1 && words[0] == "--help-man") {
    print_text(manual_page(program.describe(), section, version_number()));
    return exit_ok;
  }
  if (words.empty() || words[0] != "--help-completion")
    return std::nullopt;
  const auto s = words.size() == 2 ? shell_by_name(words[1]) : std::nullopt;
  if (!s) {
    say("--help-completion: expected bash, zsh or fish");
    return exit_usage;
  }
  print_text(completion_script(program.describe(), *s));
  return exit_ok;
}

} // namespace larql::cli
