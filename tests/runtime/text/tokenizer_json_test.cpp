// Mirrors runtime/text/tokenizer_json.cpp and its parts (_source, _sections, _merges): every damage
// is one error that says where it is.

#include "runtime/text/tokenizer_json.hpp"

#include "tests/runtime/text/small_tokenizer.hpp"

namespace larql::text {
namespace {

using test::pieces;
using test::small_tokenizer_file;
using test::strings;
using ordered = small_tokenizer_file::ordered;

failure error_of(std::string_view text) {
  auto parsed = tokenizer::parse(text, "t.json");
  if (parsed) {
    ADD_FAILURE() << "accepted: " << text.substr(0, 200);
    return {errc::internal, ""};
  }
  return std::move(parsed).error();
}

/// The error of the small file with one value changed; `pointer` as in RFC 6901.
failure error_with(const char* pointer, const ordered& value) {
  auto file = small_tokenizer_file{}.merge("a", "b").json();
  file[ordered::json_pointer{pointer}] = value;
  return error_of(file.dump());
}

failure error_without(const char* parent, const char* key) {
  auto file = small_tokenizer_file{}.json();
  file[ordered::json_pointer{parent}].erase(key);
  return error_of(file.dump());
}

void expect_error(const failure& found, errc code, std::initializer_list<const char*> parts) {
  EXPECT_EQ(found.code, code) << found.text;
  EXPECT_EQ(found.text.rfind("t.json", 0), 0u) << "names the file first: " << found.text;
  for (const auto* part : parts)
    EXPECT_NE(found.text.find(part), std::string::npos) << "no " << part << " in: " << found.text;
}

TEST(TokenizerJson, FieldsMayComeInAnyOrder) {
  const auto file = small_tokenizer_file{}.merge("a", "b").json();
  const auto sorted = nlohmann::json(file); // by key: merges before vocab, model in the middle
  const auto t = tokenizer::parse(sorted.dump(), "t.json");
  ASSERT_TRUE(t) << t.error().text;
  EXPECT_EQ(pieces(*t, "ab"), strings{"ab"});
  auto last = ordered{{"model", file["model"]}};
  last.update(file);
  EXPECT_TRUE(tokenizer::parse(last.dump(), "t.json"));
}

TEST(TokenizerJson, FieldsThatSayNothingAboutTokensAreNotLookedAt) {
  auto file = small_tokenizer_file{}.json();
  file["truncation"] = {{"max_length", 3}};
  file["post_processor"] = {{"type", "Unheard"}};
  file["model"]["novelty"] = {1, {2, {3}}};
  EXPECT_TRUE(tokenizer::parse(file.dump(), "t.json"));
}

TEST(TokenizerJson, AnAddedTokenMayHaveAnIdBeyondTheVocabulary) {
  auto file = small_tokenizer_file{}.json();
  const auto id = file["model"]["vocab"].size();
  file["added_tokens"].push_back({{"id", id}, {"content", "<image>"}, {"special", true}});
  const auto t = small_tokenizer_file::parse(file);
  EXPECT_EQ(t.size(), id + 1);
  EXPECT_EQ(t.find("<image>"), static_cast<token_id>(id));
}

TEST(TokenizerJson, TextThatIsNotJsonIsCorrupt) {
  expect_error(error_of(""), errc::corrupt, {"not valid JSON"});
  expect_error(error_of("{"), errc::corrupt, {"ended early"});
  expect_error(error_of("[]"), errc::corrupt, {"expected a JSON object"});
  expect_error(error_of("3"), errc::corrupt, {"expected a JSON object"});
  expect_error(error_of("{} {}"), errc::corrupt, {"model"});
  const auto whole = small_tokenizer_file{}.text();
  for (auto bytes = std::size_t{0}; bytes < whole.size(); bytes += 97)
    expect_error(error_of(std::string_view{whole}.substr(0, bytes)), errc::corrupt, {});
  expect_error(error_of(whole + "x"), errc::corrupt, {});
  expect_error(error_of(whole + "{}"), errc::corrupt, {"more text after"});
}

TEST(TokenizerJson, BytesThatAreNotUtf8AreCorrupt) {
  auto text = small_tokenizer_file{}.token("MARK").text();
  text.replace(text.find("MARK"), 4, "\xff\xfe\xfd\xfc");
  expect_error(error_of(text), errc::corrupt, {"UTF-8"});
  auto surrogate = small_tokenizer_file{}.token("MARK__").text();
  surrogate.replace(surrogate.find("MARK__"), 6, "\\ud800");
  expect_error(error_of(surrogate), errc::corrupt, {"model.vocab"});
}

TEST(TokenizerJson, TheModelMustBeThereOnce) {
  expect_error(error_without("", "model"), errc::corrupt, {"model", "0 times"});
  expect_error(error_without("/model", "vocab"), errc::corrupt, {"model.vocab", "0 times"});
  expect_error(error_without("/model", "merges"), errc::corrupt, {"model.merges", "0 times"});
  auto text = small_tokenizer_file{}.text();
  text.back() = ',';
  expect_error(error_of(text + "\"model\": {}}"), errc::corrupt, {"model", "2 times"});
  expect_error(error_with("/model", 3), errc::corrupt, {"model is 3, expected an object"});
  expect_error(error_with("/model/vocab", {"a"}), errc::corrupt, {"model.vocab"});
  expect_error(error_with("/model/merges", "a b"), errc::corrupt,
               {"model.merges", "expected an array"});
}

TEST(TokenizerJson, IdsMustBeNumbersWithoutRepetitionsAndGaps) {
  expect_error(error_with("/model/vocab/new", "seven"), errc::corrupt,
               {"model.vocab", "\"new\"", "seven", "expected a non-negative integer"});
  expect_error(error_with("/model/vocab/new", -1), errc::corrupt,
               {"model.vocab", "\"new\"", "is -1, expected"});
  expect_error(error_with("/model/vocab/new", 1.5), errc::corrupt, {"model.vocab", "\"new\""});
  expect_error(error_with("/model/vocab/new", 3), errc::corrupt,
               {"model.vocab", "id 3 belongs to two tokens", "\"<unk>\"", "\"new\""});
  expect_error(error_with("/model/vocab/new", 5000), errc::corrupt, {"no token has id", "5000"});
  expect_error(error_with("/model/vocab/new", 18446744073709551615u), errc::corrupt,
               {"model.vocab", "18446744073709551615", "expected an id below"});
}

TEST(TokenizerJson, AKeyMayNotAppearTwiceInTheVocabulary) {
  auto text = small_tokenizer_file{}.text();
  const auto at = text.find("\"vocab\":{") + 9;
  text.insert(at, "\"a\":0,");
  expect_error(error_of(text), errc::corrupt, {"model.vocab"});
}

TEST(TokenizerJson, AddedTokensMustAgreeWithTheVocabulary) {
  expect_error(error_with("/added_tokens", 3), errc::corrupt, {"added_tokens"});
  expect_error(error_with("/added_tokens/2/id", 3), errc::corrupt,
               {"added_tokens[2]", "\"<bos>\"", "has id 3, but 2"});
  expect_error(error_with("/added_tokens/2/content", "other"), errc::corrupt,
               {"added_tokens[2]", "id 2 belongs to two tokens"});
  expect_error(error_with("/added_tokens/2/content", nullptr), errc::corrupt,
               {"added_tokens[2]", "content"});
  expect_error(error_with("/added_tokens/2/special", 1), errc::corrupt,
               {"added_tokens[2]", "special", "true or false"});
  expect_error(error_with("/added_tokens/2/single_word", true), errc::unsupported,
               {"added_tokens[2]", "single_word"});
  auto file = small_tokenizer_file{};
  file.added("<bos>");
  expect_error(error_of(file.text()), errc::corrupt, {"added_tokens", "\"<bos>\"", "twice"});
  file = {};
  file.added(std::string(300, 'x'));
  expect_error(error_of(file.text()), errc::corrupt, {"300 bytes"});
}

TEST(TokenizerJson, MergesMustNameTokens) {
  expect_error(error_with("/model/merges/0", {"a", "€"}), errc::corrupt,
               {"model.merges[0]", "\"€\" is not in model.vocab"});
  expect_error(error_with("/model/merges/0", {"z", "a"}), errc::corrupt,
               {"model.merges[0]", "\"za\" is not in model.vocab"});
  expect_error(error_with("/model/merges/3", {"€", "€€"}), errc::corrupt,
               {"model.merges[3]", "\"€\" is not in model.vocab"}); // the first that is missing
  expect_error(error_with("/model/merges/3", {"\n", "\n"}), errc::corrupt,
               {"model.merges[3]", "listed before"});
  expect_error(error_with("/model/merges/0", "ab"), errc::corrupt,
               {"model.merges[0]", "expected two tokens"});
  expect_error(error_with("/model/merges/0", "a "), errc::corrupt, {"model.merges[0]"});
  expect_error(error_with("/model/merges/0", ""), errc::corrupt, {"model.merges[0]"});
  expect_error(error_with("/model/merges/0", {"a"}), errc::corrupt, {"1 elements"});
  expect_error(error_with("/model/merges/0", {"a", "b", "c"}), errc::corrupt, {"3 elements"});
  expect_error(error_with("/model/merges/0", {1, 2}), errc::corrupt, {"model.merges[0]"});
  expect_error(error_with("/model/merges/0", nullptr), errc::corrupt, {"model.merges[0]"});
}

TEST(TokenizerJson, RulesThatAreNotFollowedAreUnsupported) {
  const auto literal = ordered{{"String", " "}};
  expect_error(error_with("/normalizer", {{"type", "NFKC"}}), errc::unsupported,
               {"normalizer", "\"NFKC\"", "only \"Replace\""});
  expect_error(error_with("/normalizer/pattern", {{"Regex", " "}}), errc::unsupported,
               {"normalizer.pattern", "Regex"});
  expect_error(error_with("/normalizer/content", "long text"), errc::unsupported, {"normalizer"});
  expect_error(error_with("/normalizer", {{"type", "Sequence"},
                                          {"normalizers", {{{"type", "NFC"}}, {{"type", "NFD"}}}}}),
               errc::unsupported, {"normalizer", "2 steps"});
  expect_error(error_with("/pre_tokenizer", {{"type", "ByteLevel"}}), errc::unsupported,
               {"pre_tokenizer", "\"ByteLevel\""});
  expect_error(error_with("/pre_tokenizer/behavior", "Isolated"), errc::unsupported,
               {"pre_tokenizer", "\"Isolated\""});
  expect_error(error_with("/pre_tokenizer/invert", true), errc::unsupported, {"invert"});
  expect_error(error_with("/decoder", {{"type", "ByteLevel"}}), errc::unsupported, {"decoder"});
  expect_error(error_with("/decoder/decoders/2/type", "Strip"), errc::unsupported,
               {"decoder.decoders[2]", "\"Strip\""});
  expect_error(error_with("/decoder", nullptr), errc::corrupt, {"decoder"});
  expect_error(error_with("/model/type", "Unigram"), errc::unsupported, {"model", "\"Unigram\""});
  expect_error(error_with("/model/dropout", 0.1), errc::unsupported, {"model", "dropout"});
  expect_error(error_with("/model/end_of_word_suffix", "</w>"), errc::unsupported,
               {"end_of_word_suffix"});
  expect_error(error_with("/model/byte_fallback", "yes"), errc::corrupt, {"byte_fallback"});
}

TEST(TokenizerJson, ASequenceOfOneNormalizerIsThatNormalizer) {
  auto file = small_tokenizer_file{}.json();
  const auto one = file["normalizer"];
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", {one}}};
  EXPECT_EQ(pieces(small_tokenizer_file::parse(file), "a b"), (strings{"a", "▁", "b"}));
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", ordered::array()}};
  EXPECT_EQ(pieces(small_tokenizer_file::parse(file), "a b"), (strings{"a", "<0x20>", "b"}));
}

TEST(TokenizerJson, TokensThatTheRulesNeedMustExist) {
  expect_error(error_with("/model/unk_token", "<gone>"), errc::corrupt, {"\"<gone>\""});
  auto file = small_tokenizer_file{}.json();
  auto renamed = ordered::object();
  for (const auto& [piece, id] : file["model"]["vocab"].items())
    renamed[piece == "<0x7F>" ? "other" : piece] = id;
  file["model"]["vocab"] = renamed;
  expect_error(error_of(file.dump()), errc::corrupt, {"byte_fallback", "\"<0x7F>\""});
  file["model"]["byte_fallback"] = false;
  EXPECT_TRUE(tokenizer::parse(file.dump(), "t.json"));
  file["model"]["unk_token"] = nullptr;
  expect_error(error_of(file.dump()), errc::unsupported, {"unk_token"});
}

TEST(TokenizerJson, ATokenizerWithoutBosIsNotGemmas) {
  auto text = small_tokenizer_file{}.text();
  for (auto at = text.find("<bos>"); at != std::string::npos; at = text.find("<bos>"))
    text.replace(at, 5, "<BOS>");
  expect_error(error_of(text), errc::unsupported, {"<bos>"});
}

TEST(TokenizerJson, DeepNestingIsAnErrorAndNotACrash) {
  for (const auto* key : {"normalizer", "added_tokens", "novelty"}) {
    auto text = std::string{"{\""} + key + "\":";
    text += std::string(200'000, '[') + std::string(200'000, ']') + "}";
    expect_error(error_of(text), errc::corrupt, {});
  }
}

TEST(TokenizerJson, LongTextsInMessagesAreCut) {
  auto file = small_tokenizer_file{}.json();
  file["model"]["merges"][0] = {std::string(100'000, 'x'), "a"};
  EXPECT_LT(error_of(file.dump()).text.size(), 300u);
}

} // namespace
} // namespace larql::text
