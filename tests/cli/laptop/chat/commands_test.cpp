// Mirrors cli/laptop/chat/commands.hpp.

#include "cli/laptop/chat/commands.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

chat_line read(const std::string& text) {
  return read_chat_line({text, false});
}
std::string mistake(const std::string& text) {
  const auto line = read(text);
  const auto* wrong = std::get_if<chat_mistake>(&line);
  return wrong == nullptr ? "no mistake" : wrong->text;
}

TEST(ChatCommands, ALineIsACommandIfItsFirstWordIsOne) {
  EXPECT_EQ(read("/retry"), chat_line{(chat_order{chat_command::retry, ""})});
  EXPECT_EQ(read("  /system  Be brief. \r"),
            chat_line{(chat_order{chat_command::system, "Be brief."})});
  EXPECT_EQ(read("/set temperature 0.7"),
            chat_line{(chat_order{chat_command::set, "temperature 0.7"})});
  EXPECT_EQ(read("/exit"), read("/quit"));
  EXPECT_EQ(read("/reset"), read("/clear"));
}

TEST(ChatCommands, TextThatBeginsWithASlashIsAMessage) {
  EXPECT_EQ(read("/etc/hosts: what is this?"), chat_line{chat_words{"/etc/hosts: what is this?"}});
  EXPECT_EQ(read("/usr/bin is a directory,\nwhat is in it?"),
            chat_line{chat_words{"/usr/bin is a directory,\nwhat is in it?"}});
}

TEST(ChatCommands, ASingleUnknownWordIsAMistakeThatSaysWhatMayHaveBeenMeant) {
  EXPECT_EQ(mistake("/rety"), "there is no command /rety, did you mean /retry?");
  EXPECT_EQ(mistake("/contine"), "there is no command /contine, did you mean /continue?");
  EXPECT_NE(mistake("/usr/bin").find("there is no command /usr/bin; /help lists them"),
            std::string::npos);
}

TEST(ChatCommands, ACommandThatTakesNothingDoesNotSwallowATextBehindIt) {
  EXPECT_NE(mistake("/help me with this").find("/help takes nothing"), std::string::npos);
}

TEST(ChatCommands, WhatStandsInQuotesIsAMessageWhateverItSays) {
  EXPECT_EQ(read_chat_line({"/quit", true}), chat_line{chat_words{"/quit"}});
}

TEST(ChatCommands, WhiteSpaceIsNothingAndMessagesKeepTheirs) {
  EXPECT_EQ(read(" \t\n"), chat_line{chat_nothing{}});
  EXPECT_EQ(read("  if x:\n\treturn\n"), chat_line{chat_words{"  if x:\n\treturn\n"}});
}

TEST(ChatCommands, HelpNamesEveryCommand) {
  const auto help = chat_help();
  for (const auto* word :
       {"/retry", "/undo", "/continue", "/clear", "/system", "/set", "/think", "/edit", "/read",
        "/save", "/load", "/stats", "/nodes", "/help", "/quit"})
    EXPECT_NE(help.find(word), std::string::npos) << word;
}

} // namespace
} // namespace larql::cli
