// Mirrors cli/support/manual.hpp and cli/support/command_tree.hpp: what is written from a parser.

#include "cli/support/manual.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using testing::Test;

class Manual : public Test {
protected:
  Manual() {
    go.add_option("place", text, ".hidden start").required();
    speed = go.add_option("-s,--speed", number, "Metres per second");
    go.add_option("--how", text, "Way").one_of({"walk", "run"});
    go.add_flag("--quiet", flag, "Says nothing");
    go.add_option("--secret-option", text, "Not shown").group("");
    auto deep = app.add_command("deep", "Has commands of its own");
    deep.add_command("down", "Goes down");
  }

  [[nodiscard]] command_description described() const { return app.describe(); }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  program_parser app{"prog", "Does things"};
  command_parser go = app.add_command("go", "Goes somewhere. It's \\quick");
  std::optional<command_option> speed;
  std::string text;
  int number = 0;
  bool flag = false;
};

TEST_F(Manual, TheTreeHasWhatTheParserTakes) {
  const auto tree = described();
  ASSERT_EQ(all_commands(tree).size(), 4u);
  EXPECT_EQ(all_commands(tree)[3]->path, "prog deep down");
  const auto& described_go = tree.commands[0];
  ASSERT_EQ(described_go.options.size(), 6u)
      << "with --help and --help-all, without the hidden one";
  EXPECT_TRUE(described_go.options[0].positional);
  EXPECT_EQ(described_go.options[0].names, std::vector<std::string>{"place"});
  for (const auto& o : described_go.options)
    if (o.names.back() == "--how") {
      EXPECT_EQ(o.choices, (std::vector<std::string>{"walk", "run"}));
      EXPECT_TRUE(o.takes_value);
    } else if (o.names.back() == "--quiet") {
      EXPECT_FALSE(o.takes_value);
    } else if (o.names.back() == "--speed") {
      EXPECT_EQ(o.names, (std::vector<std::string>{"-s", "--speed"}));
    }
}

TEST_F(Manual, ThePageNamesEveryCommandAndOptionAndNoRequestSlipsIn) {
  const auto page = manual_page(described(), 1, "1.2");
  EXPECT_TRUE(page.starts_with(".TH PROG 1 \"\" \"larql 1.2\"")) << page;
  EXPECT_TRUE(has(page, ".SS prog go\nGoes somewhere. It's \\equick\n")) << page;
  EXPECT_TRUE(has(page, "\\fB\\-s\\fR, \\fB\\-\\-speed\\fR \\fIVALUE\\fR\nMetres")) << page;
  EXPECT_TRUE(has(page, "\\fB\\-\\-how\\fR walk|\\:run\n")) << page;
  EXPECT_TRUE(has(page, "\n\\&.hidden start\n")) << page;
  EXPECT_TRUE(has(page, ".SS prog deep down\n")) << page;
  EXPECT_FALSE(has(page, "secret")) << page;
}

TEST_F(Manual, ThePageHasDefaultsExamplesNotesEnvironmentAndSignals) {
  go.footer("prog go home\nprog go -s 3 home\n\nNotes.");
  number = 5;
  speed->show_default();
  const auto page = manual_page(described(), 1, "1.2");
  EXPECT_TRUE(has(page, "Metres per second (default: 5)\n")) << page;
  EXPECT_TRUE(has(page, ".nf\nprog go home\nprog go \\-s 3 home\n.fi\n")) << page;
  EXPECT_TRUE(has(page, "Notes.\n.fi\n")) << page;
  EXPECT_TRUE(has(page, ".SH ENVIRONMENT\n.TP\n\\fBLARQL_LOG\\fR\n")) << page;
  EXPECT_TRUE(has(page, ".SH SIGNALS\n")) << page;
}

TEST_F(Manual, EveryShellIsToldOfEveryCommandAndOption) {
  for (const auto s : {shell::bash, shell::zsh, shell::fish}) {
    const auto script = completion_script(described(), s);
    for (const auto* part : {"go", "deep", "down", "speed", "walk run", "quiet"})
      EXPECT_TRUE(has(script, part)) << part << " in\n" << script;
    EXPECT_FALSE(has(script, "secret")) << script;
  }
}

TEST_F(Manual, OtherCommandLinesAreNotForIt) {
  const char* run[] = {"prog", "go", "--help-man"};
  EXPECT_FALSE(print_documentation(app, 1, 3, run));
  const char* nothing[] = {"prog"};
  EXPECT_FALSE(print_documentation(app, 1, 1, nothing));
  const char* unknown[] = {"prog", "--help-completion", "csh"};
  EXPECT_EQ(print_documentation(app, 1, 3, unknown), 2);
}

} // namespace
} // namespace larql::cli
