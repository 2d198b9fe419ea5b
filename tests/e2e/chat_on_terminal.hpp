// `larql chat` with the demo model on a terminal of tmux(1).

#pragma once

#include "tests/e2e/serve_process.hpp"
#include "tests/support/tmux_terminal.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

namespace larql::test {

inline constexpr auto ready = "/help shows the commands";
inline constexpr auto timing = "tokens/s";

/// What stands between blanks.
inline std::vector<std::string> words_of(const std::string& text) {
  auto out = std::vector<std::string>{};
  auto word = std::string{};
  for (auto in = std::istringstream{text}; in >> word;)
    out.push_back(word);
  return out;
}

class chat_on_terminal : public testing::Test {
protected:
  void SetUp() override {
    if (!tmux_terminal::is_there())
      GTEST_SKIP() << "tmux(1) is missing (Debian: tmux): nothing of chat on a terminal is tested";
    const auto done =
        run(larql({"extract", (source_dir() / "tests/demo_model/larql-demo.gguf").string(), "-o",
                   vindex().string()}));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  [[nodiscard]] fs::path vindex() const { return scratch_ / "demo.vindex"; }

  /// Answers end by no token that the model chooses.
  void make_answers_endless() const {
    write_file(vindex() / "generation_config.json",
               R"({"eos_token_id": 1, "suppress_tokens": [1, 106]})");
  }
  static words endless() { return {"-n", "1000000", "--context", "1000100"}; }

  void start(const tmux_terminal& t, const words& options = {}) const {
    auto command = larql({"chat", vindex().string(), "--no-history", "-t", "2"});
    command.insert(command.end(), options.begin(), options.end());
    t.enter(shell_line(command));
    ASSERT_TRUE(t.wait_for(ready)) << t.screen();
    ASSERT_TRUE(t.wait_for("\n>")) << t.screen();
  }
  [[nodiscard]] nlohmann::json saved(const tmux_terminal& t, const std::string& name) const {
    const auto file = scratch_ / name;
    const auto before = count_of(t.screen(), "\nSaved");
    t.enter("/save " + file.string());
    EXPECT_TRUE(t.wait_for("\nSaved", before + 1)) << t.screen();
    return nlohmann::json::parse(read_file(file));
  }
  /// The program has ended and the shell is there again.
  static void expect_end(const tmux_terminal& t) {
    // What is typed before the program has ended is the program's.
    EXPECT_TRUE(eventually([&] {
      const auto text = t.screen();
      return text.substr(0, text.find_last_not_of(" \n") + 1).ends_with("\nsh:");
    })) << t.screen();
    t.enter("echo ended with $?");
    EXPECT_TRUE(t.wait_for("\nended with 0")) << t.screen();
  }

  temporary_directory scratch_;
};

} // namespace larql::test
