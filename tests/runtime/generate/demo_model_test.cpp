// The committed demo model, as a user meets it: it knows capitals, in plain text and through the
// chat template, and stops where its answer ends (tests/demo_model/README.md).

#include "runtime/generate/answer.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/utf8_stream.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace larql::generate {
namespace {

namespace fs = std::filesystem;
using test::succeeds;

class DemoModel : public testing::Test {
protected:
  void SetUp() override {
    const auto source = import::open_gguf(test::source_dir() / "tests/demo_model/larql-demo.gguf");
    ASSERT_TRUE(succeeds(source));
    dir = temporary.path() / "demo.vindex";
    test::extract_to(*source, dir);
    auto opened = test::running_model::open(dir);
    ASSERT_TRUE(succeeds(opened));
    model = *std::move(opened);
    auto loaded = text::tokenizer::load(dir / "tokenizer.json");
    ASSERT_TRUE(succeeds(loaded));
    tokens.emplace(*std::move(loaded));
    auto config = text::read_generation_config(dir / "generation_config.json", *tokens);
    ASSERT_TRUE(succeeds(config));
    options.stop_tokens = {config->stop.begin(), config->stop.end()};
    options.max_tokens = 24;
  }

  /// The greedy continuation as text, and whether the model ended it itself.
  std::string answer(std::span<const std::uint32_t> prompt) {
    const auto s = model->new_sequence();
    auto g = generation{options, text::utf8_stream{*tokens, text::special_tokens::skip}};
    auto scratch = sampling_scratch{model->compute().k};
    auto out = std::string{};
    const auto done = generate::answer(
        model->executor(), *s, {prompt}, g, scratch,
        [&](const generation::step_result& step) { out += step.text; }, {}, stats);
    EXPECT_TRUE(succeeds(done));
    return out + g.flush();
  }
  std::string continue_text(const std::string& text) {
    return answer(*tokens->encode(text, true, text::control_text::becomes_tokens));
  }
  std::string chat(const std::string& text) {
    const auto jinja = test::read_file(dir / "chat_template.jinja");
    const auto format = text::chat_template::detect(jinja, "chat_template.jinja");
    EXPECT_TRUE(succeeds(format));
    const auto messages = std::vector<text::chat_message>{{text::chat_role::user, text}};
    return answer(*format->render(messages, {}, *tokens));
  }

  /// Country and capital.
  static std::vector<std::pair<std::string, std::string>> capitals() {
    auto in =
        std::istringstream{test::read_file(test::source_dir() / "tests/demo_model/capitals.tsv")};
    auto out = std::vector<std::pair<std::string, std::string>>{};
    for (auto line = std::string{}; std::getline(in, line);) {
      const auto tab = line.find('\t');
      out.emplace_back(line.substr(0, tab), line.substr(tab + 1));
    }
    return out;
  }

  test::temporary_directory temporary;
  fs::path dir;
  std::unique_ptr<test::running_model> model;
  std::optional<text::tokenizer> tokens;
  generation_options options;
  answer_stats stats;
};

TEST_F(DemoModel, ContinuesTheCapitalOfFranceIsWithParis) {
  EXPECT_TRUE(continue_text("The capital of France is").starts_with(" Paris"));
}

TEST_F(DemoModel, AnswersThroughTheChatTemplateAndEndsItsTurn) {
  EXPECT_EQ(chat("What is the capital of France?"), "The capital of France is Paris.");
  EXPECT_EQ(stats.reason, end_reason::stop_token);
  EXPECT_EQ(chat("The capital of France is"), "The capital of France is Paris.");
}

TEST_F(DemoModel, KnowsAtLeast150Capitals) {
  options.max_tokens = 12;
  const auto all = capitals();
  ASSERT_EQ(all.size(), 195u);
  auto plain = 0, asked = 0;
  for (const auto& [country, city] : all) {
    plain += continue_text("The capital of " + country + " is").starts_with(" " + city);
    asked += chat("What is the capital of " + country + "?")
                 .starts_with("The capital of " + country + " is " + city);
  }
  RecordProperty("plain", plain);
  RecordProperty("chat", asked);
  EXPECT_GE(plain, 150); // measured when it was trained: 195
  EXPECT_GE(asked, 150); // 195, but for answers longer than the limit
}

} // namespace
} // namespace larql::generate
