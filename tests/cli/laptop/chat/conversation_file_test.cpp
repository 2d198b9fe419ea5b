// Mirrors cli/laptop/chat/conversation_file.hpp.

#include "cli/laptop/chat/conversation_file.hpp"

#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace larql::cli {
namespace {

conversation sample() {
  auto out = conversation{"Be brief."};
  out.ask("a \"question\"\nof two lines\t");
  out.answer("an answer", "a thought", false);
  out.ask("é 語 🙂");
  out.answer("half", "", true);
  out.leave_out(1);
  return out;
}

TEST(ConversationFile, ComesBackAsItWas) {
  const auto back = parse_conversation(conversation_text(sample()), "x");
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_TRUE(*back == sample());
  EXPECT_TRUE(back->can_go_on());
}

TEST(ConversationFile, BytesThatAreNoTextDoNotKeepItFromBeingSaved) {
  auto c = conversation{};
  c.ask("\xff\xfe");
  EXPECT_TRUE(parse_conversation(conversation_text(c), "x"));
}

TEST(ConversationFile, SaysWhatIsWrongWithAFile) {
  const auto error = [](const std::string& text) {
    const auto c = parse_conversation(text, "talk.json");
    return c ? std::string{"no error"} : c.error().text;
  };
  EXPECT_NE(error("{").find("talk.json"), std::string::npos);
  EXPECT_EQ(error("{}"), "talk.json: is no conversation of larql chat");
  EXPECT_NE(error(R"({"format": "larql-conversation", "version": 2})").find("version"),
            std::string::npos);
  const auto turns = [&](const std::string& list, const std::string& left_out) {
    return error(R"({"format": "larql-conversation", "version": 1, "system": "", "cut": false,)"
                 R"( "left_out": )" +
                 left_out + R"(, "turns": )" + list + "}");
  };
  EXPECT_NE(turns(R"([{"role": "model", "content": "x"}])", "0").find("turns[0]"),
            std::string::npos);
  EXPECT_NE(turns(R"([{"role": "user"}])", "0").find("content"), std::string::npos);
  EXPECT_NE(turns(R"([{"role": "user", "content": "x"}])", "2").find("left_out"),
            std::string::npos);
}

TEST(ConversationFile, IsForItsOwnerAloneAndReplacesNothingElse) {
  const auto dir = test::temporary_directory{};
  const auto file = dir / "talk.json";
  ASSERT_TRUE(save_conversation(sample(), file));
  ASSERT_TRUE(save_conversation(conversation{}, file)) << "a conversation is replaced";
  struct stat s {};
  ASSERT_EQ(::stat(file.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777u, 0600u);
  const auto other = dir / "notes.json";
  test::write_file(other, "{\"mine\": true}");
  EXPECT_FALSE(save_conversation(sample(), other));
  EXPECT_EQ(test::read_file(other), "{\"mine\": true}");
}

} // namespace
} // namespace larql::cli
