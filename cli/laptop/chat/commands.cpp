#include "cli/laptop/chat/commands.hpp"

#include "runtime/base/nearest_word.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace larql::cli {

namespace {

struct entry {
  std::string_view word;
  chat_command what;
  std::string_view argument; ///< for /help; empty: it takes none
  std::string_view text;     ///< empty: another name, which /help does not list
};
constexpr entry entries[] = {
    {"/retry", chat_command::retry, "", "ask for the last answer again"},
    {"/undo", chat_command::undo, "", "take the last question and its answer back"},
    {"/continue", chat_command::go_on, "", "go on with an answer that was cut"},
    {"/clear", chat_command::clear, "", "forget the conversation; the system message stays"},
    {"/reset", chat_command::clear, "", ""},
    {"/system", chat_command::system, "TEXT", "another system message, and a new conversation"},
    {"/set", chat_command::set, "NAME VALUE", "change a setting; alone it shows all"},
    {"/think", chat_command::think, "on|off|hidden", "whether the model thinks, and shows it"},
    {"/edit", chat_command::edit, "TEXT", "write the message in $VISUAL or $EDITOR"},
    {"/read", chat_command::read, "FILE", "put a file in front of the next message"},
    {"/save", chat_command::save, "FILE", "keep the conversation, and in FILE.kv what was read"},
    {"/load", chat_command::load, "FILE", "go on with a conversation that was saved"},
    {"/stats", chat_command::stats, "", "numbers of the last answer"},
    {"/nodes", chat_command::nodes, "", "who has which experts now"},
    {"/help", chat_command::help, "", "this"},
    {"/?", chat_command::help, "", ""},
    {"/quit", chat_command::quit, "", "leave; also /exit and Ctrl-D"},
    {"/exit", chat_command::quit, "", ""},
    {"/bye", chat_command::quit, "", ""},
};
constexpr std::string_view white = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(white);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(white) - first + 1);
}

std::string_view nearest(std::string_view word) {
  auto known = std::vector<std::string_view>{};
  for (const auto& e : entries)
    known.push_back(e.word);
  return nearest_word(word, known);
}

} // namespace

chat_line read_chat_line(const typed_message& line) {
  const auto text = trimmed(line.text);
  if (text.empty())
    return chat_nothing{};
  if (line.quoted || !text.starts_with('/'))
    return chat_words{line.text};
  const auto word = text.substr(0, text.find_first_of(white));
  const auto rest = trimmed(text.substr(word.size()));
  const auto found = std::find_if(std::begin(entries), std::end(entries),
                                  [&](const entry& e) { return e.word == word; });
  if (found == std::end(entries)) {
    if (!rest.empty())
      return chat_words{line.text};
    const auto meant = nearest(word);
    return chat_mistake{
        meant.empty()
            ? fmt::format(R"(there is no command {}; /help lists them, and """{}""" sends it)",
                          word, word)
            : fmt::format("there is no command {}, did you mean {}?", word, meant)};
  }
  if (!rest.empty() && found->argument.empty())
    return chat_mistake{
        fmt::format(R"({} takes nothing; """ around a text makes it a message)", word)};
  return chat_order{found->what, std::string{rest}};
}

std::string chat_help() {
  auto out = std::string{};
  for (const auto& e : entries)
    if (!e.text.empty())
      out += fmt::format("  {:<22} {}\n",
                         e.argument.empty() ? std::string{e.word}
                                            : fmt::format("{} {}", e.word, e.argument),
                         e.text);
  out += "  A line that ends in \\ goes on in the next, and so does what stands in \"\"\".\n"
         "  Alt-Enter begins another line. Ctrl-C ends an answer.\n";
  return out;
}

} // namespace larql::cli
