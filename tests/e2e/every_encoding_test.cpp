// A model whose layers hold every encoding that weights of experts come in, the smallest included:
// what is done with files of a model is done with these too, and gives the bits of the whole.

#include "tests/e2e/serve_process.hpp"
#include "tests/support/hub_server.hpp"

namespace larql::test {
namespace {

using quant::encoding;

tiny_gguf of_every_encoding() {
  auto m = tiny_gguf{};
  m.expert_encodings = {encoding::q4_1,   encoding::iq4_xs, encoding::q3_k,    encoding::q2_k,
                        encoding::mxfp4,  encoding::iq3_s,  encoding::iq3_xxs, encoding::iq2_s,
                        encoding::iq2_xs, encoding::iq2_xxs};
  m.layers = static_cast<std::uint32_t>(m.expert_encodings.size());
  return m;
}

class EveryEncoding : public model_test {
protected:
  EveryEncoding() : model_test(of_every_encoding()) {}

  [[nodiscard]] fs::path at(const std::string& name) const { return scratch_ / name; }

  void expect_done(const words& arguments, const child_process::variables& settings = {}) const {
    const auto done = run(larql(arguments), settings);
    EXPECT_EQ(done.code, 0) << arguments.front() << ": " << done.out << done.err;
  }
  void cut(const std::string& name, const words& options) const {
    auto all = words{"slice", vindex().string(), "-o", at(name).string()};
    all.insert(all.end(), options.begin(), options.end());
    expect_done(all);
  }
  [[nodiscard]] std::string logits_from(const fs::path& model, const words& options,
                                        const child_process::variables& settings = {}) const {
    auto all =
        words{"logits", model.string(), "--ids", prompt_ids, "-o", at("out").string(), "--force"};
    all.insert(all.end(), options.begin(), options.end());
    expect_done(all, settings);
    return read_file(at("out"));
  }
};

TEST_F(EveryEncoding, IsNamedAndItsKnownAnswersAndHashesAreThoseThatWereWritten) {
  const auto shown = run(larql({"inspect", vindex().string()}));
  for (const auto e : of_every_encoding().expert_encodings)
    EXPECT_NE(shown.out.find(quant::name_of(e)), std::string::npos) << quant::name_of(e);
  expect_done({"verify", vindex().string(), "--deep", "--probe=all"});
}

TEST_F(EveryEncoding, IsSlicedPublishedPulledAndServedWithTheBitsOfTheWhole) {
  const auto hub = hub_server{};
  auto settings = hub.environment("hf_secret");
  settings["LARQL_CACHE"] = at("cache").string();
  cut("laptop", {"--preset", "moe-client"});
  cut("low", {"--preset", "moe-experts", "--experts", "0-3"});
  expect_done({"verify", at("low").string(), "--deep", "--probe=all"});
  expect_done({"publish", vindex().string(), "--repo", "ann/tiny"}, settings);
  expect_done({"pull", "hf://ann/tiny", "-o", at("high").string(), "--preset", "moe-experts",
               "--experts", "4-7"},
              settings);
  const auto low = node_process{at("low"), {}}, high = node_process{at("high"), {}};
  EXPECT_EQ(difference(logits_from(at("laptop"),
                                   {"--moe-shards", low.owns("0-3") + "," + high.owns("4-7")}),
                       logits()),
            "");
}

TEST_F(EveryEncoding, OfAGgufIsServedFromWhereItLies) {
  const auto settings = child_process::variables{{"LARQL_CACHE", at("cache").string()}};
  EXPECT_EQ(difference(logits_from(gguf(), {}, settings), logits()), "");
  const auto said = generate({"-n", "12", "-q", "--raw"});
  ASSERT_EQ(said.code, 0) << said.err;
  const auto server = serve_process{gguf(), {}, settings};
  const auto answer = json::parse(
      server.post("/v1/completions", {{"prompt", "abc"}, {"temperature", 0}, {"max_tokens", 12}})
          .body,
      nullptr, false);
  ASSERT_FALSE(answer.is_discarded());
  EXPECT_EQ(answer["choices"][0]["text"].get<std::string>() + "\n", said.out) << answer.dump();
}

} // namespace
} // namespace larql::test
