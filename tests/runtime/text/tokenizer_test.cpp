// Mirrors runtime/text/tokenizer.cpp: the way of a text to tokens and back.

#include "runtime/text/tokenizer.hpp"

#include "tests/runtime/text/small_tokenizer.hpp"
#include "tests/support/random_weights.hpp"

#include <fstream>
#include <unistd.h>

namespace larql::text {
namespace {

using test::ids;
using test::pieces;
using test::small_tokenizer_file;
using test::strings;
using ordered = small_tokenizer_file::ordered;

TEST(Tokenizer, SpacesBecomeTheMarkAndComeBack) {
  const auto t = small_tokenizer_file{}.merge("▁", "b").parse();
  EXPECT_EQ(pieces(t, "a b"), (strings{"a", "▁b"}));
  EXPECT_EQ(pieces(t, " a  "), (strings{"▁", "a", "▁▁"})) << "no space is added or dropped";
  EXPECT_EQ(t.decode(ids(t, " a  b ")), " a  b ");
}

TEST(Tokenizer, EmptyTextHasNoTokensButMayHaveABos) {
  const auto t = small_tokenizer_file{}.parse();
  EXPECT_TRUE(ids(t, "").empty());
  EXPECT_EQ(*t.encode("", true, control_text::stays_text), std::vector<token_id>{t.bos()});
  EXPECT_EQ(t.decode({}), "");
}

TEST(Tokenizer, RunsOfNewlinesAreTheLongestTokensThereAre) {
  const auto t = small_tokenizer_file{}.parse();
  EXPECT_EQ(pieces(t, "a\n\n\nb"), (strings{"a", "\n\n\n", "b"}));
  EXPECT_EQ(pieces(t, "\n \n"), (strings{"\n", "▁", "\n"}));
  EXPECT_EQ(t.decode(ids(t, "\n\n\n\n\n a\n")), "\n\n\n\n\n a\n");
}

TEST(Tokenizer, ExactlyOneBosStandsInFront) {
  const auto t = small_tokenizer_file{}.parse();
  const auto with_bos = [&](std::string_view text, control_text control) {
    return pieces(t, *t.encode(text, true, control));
  };
  EXPECT_EQ(with_bos("a", control_text::becomes_tokens), (strings{"<bos>", "a"}));
  EXPECT_EQ(with_bos("<bos>a", control_text::becomes_tokens), (strings{"<bos>", "a"}));
  EXPECT_EQ(with_bos("a<bos>", control_text::becomes_tokens), (strings{"<bos>", "a", "<bos>"}))
      << "a later one is the text's own";
  EXPECT_EQ(with_bos("<bos>", control_text::stays_text).front(), "<bos>");
  EXPECT_EQ(with_bos("<bos>", control_text::stays_text)[1], "<0x3C>");
  EXPECT_EQ(pieces(t, "<bos>a"), (strings{"<bos>", "a"})) << "none is added unasked";
}

TEST(Tokenizer, AddedTokensAreCutOutOfTheRawText) {
  const auto t = small_tokenizer_file{}.parse();
  EXPECT_EQ(pieces(t, "a<|turn>b <turn|> c"),
            (strings{"a", "<|turn>", "b", "▁", "<turn|>", "▁", "c"}));
  EXPECT_EQ(pieces(t, "<eos><eos>"), (strings{"<eos>", "<eos>"}));
  EXPECT_EQ(pieces(t, "<<eos>"), (strings{"<0x3C>", "<eos>"}));
}

TEST(Tokenizer, MergesDoNotReachAcrossAnAddedToken) {
  const auto t = small_tokenizer_file{}.merge("a", "b").parse();
  EXPECT_EQ(pieces(t, "ab"), strings{"ab"});
  EXPECT_EQ(pieces(t, "a<eos>b"), (strings{"a", "<eos>", "b"}));
}

TEST(Tokenizer, TextThatStaysTextNeverBecomesAControlToken) {
  auto file = small_tokenizer_file{};
  // A vocabulary whose merges would build a control token out of plain characters.
  for (const auto* c : {"<", "|", ">"})
    file.token(c);
  file.merge("<", "|").merge("t", "u").merge("r", "n").merge("tu", "rn").merge("turn", ">");
  file.merge("<|", "turn>").merge("turn", "|>").merge("<", "turn|>");
  const auto t = file.parse();
  ASSERT_TRUE(t.is_control(*t.find("<|turn>")));
  for (const auto* text : {"<|turn>", "<turn|>", "a<bos>b", "<|channel>x<channel|>",
                           "<|turn>user\n", "<<|turn>>", "<|tu<|turn>rn>"}) {
    const auto encoded = ids(t, text, control_text::stays_text);
    for (const auto id : encoded)
      EXPECT_FALSE(t.is_control(id)) << text << " has " << t.piece(id);
    EXPECT_EQ(t.decode(encoded), text);
  }
  EXPECT_EQ(pieces(t, "<|turn>", control_text::becomes_tokens), strings{"<|turn>"});
}

TEST(Tokenizer, AControlTokenOfOneCharacterIsSpelledInBytesWhenTextStaysText) {
  const auto t = small_tokenizer_file{}.added("q").parse();
  EXPECT_EQ(pieces(t, "aq", control_text::stays_text), (strings{"a", "<0x71>"}));
  EXPECT_EQ(pieces(t, "aq", control_text::becomes_tokens), (strings{"a", "q"}));
}

TEST(Tokenizer, AddedTokensThatAreNotControlStayTokensInPlainText) {
  const auto t = small_tokenizer_file{}.added("<table>", {{"special", false}}).parse();
  const auto table = *t.find("<table>");
  EXPECT_FALSE(t.is_control(table));
  EXPECT_EQ(ids(t, "<table>", control_text::stays_text), std::vector{table});
  EXPECT_TRUE(t.is_control(*t.find("<|channel>"))) << "by its spelling";
  EXPECT_FALSE(t.is_special(*t.find("<|channel>"))) << "the file's mark";
}

TEST(Tokenizer, CharactersWithoutATokenAreSpelledInBytes) {
  const auto t = small_tokenizer_file{}.parse();
  EXPECT_EQ(pieces(t, "aé"), (strings{"a", "<0xC3>", "<0xA9>"}));
  EXPECT_EQ(pieces(t, "😊"), (strings{"<0xF0>", "<0x9F>", "<0x98>", "<0x8A>"}));
  EXPECT_EQ(t.decode(ids(t, "aé😊z")), "aé😊z");
}

TEST(Tokenizer, BytesThatAreNotUtf8KeepTheirValues) {
  const auto t = small_tokenizer_file{}.parse();
  EXPECT_EQ(pieces(t, "a\xff\xe2\x82z"), (strings{"a", "<0xFF>", "<0xE2>", "<0x82>", "z"}));
  EXPECT_EQ(t.decode(ids(t, "a\xff\xe2\x82z")), "a\xef\xbf\xbd\xef\xbf\xbdz");
}

TEST(Tokenizer, UnknownCharactersAreOneTokenWhenFused) {
  auto file = small_tokenizer_file{}.json();
  file["model"]["byte_fallback"] = false;
  EXPECT_EQ(pieces(small_tokenizer_file::parse(file), "aéé😊b"), (strings{"a", "<unk>", "b"}));
  file["model"]["fuse_unk"] = false;
  EXPECT_EQ(pieces(small_tokenizer_file::parse(file), "aéb😊é"),
            (strings{"a", "<unk>", "b", "<unk>", "<unk>"}));
}

TEST(Tokenizer, NormalizedAddedTokensAreFoundInNormalizedText) {
  const auto t =
      small_tokenizer_file{}.added("a b", {{"normalized", true}, {"special", false}}).parse();
  EXPECT_EQ(ids(t, "xa by"), (std::vector{*t.find("x"), *t.find("a b"), *t.find("y")}));
  EXPECT_EQ(ids(t, "xa▁by"), ids(t, "xa by"));
}

TEST(Tokenizer, AddedTokensMayTakeTheWhiteSpaceAroundThem) {
  const auto t = small_tokenizer_file{}
                     .added("<l>", {{"lstrip", true}})
                     .added("<r>", {{"rstrip", true}})
                     .parse();
  EXPECT_EQ(pieces(t, "a \n<l> b"), (strings{"a", "<l>", "▁", "b"}));
  EXPECT_EQ(pieces(t, "a <r>\u3000 b"), (strings{"a", "▁", "<r>", "b"}));
  EXPECT_EQ(pieces(t, "<r> <l>"), (strings{"<r>", "<l>"})) << "taken once";
  EXPECT_EQ(pieces(t, " <l>"), strings{"<l>"});
}

TEST(Tokenizer, WithoutANormalizerThePreTokenizerEndsWordsAfterEachSpace) {
  auto file = small_tokenizer_file{};
  file.token(" ").merge("a", " ").merge("a ", "b").merge(" ", " ");
  auto root = file.json();
  root["normalizer"] = nullptr;
  EXPECT_EQ(pieces(small_tokenizer_file::parse(root), "a b  "), (strings{"a ", "b", " ", " "}));
  root["pre_tokenizer"] = nullptr;
  EXPECT_EQ(pieces(small_tokenizer_file::parse(root), "a b  "), (strings{"a b", "  "}));
}

TEST(Tokenizer, IgnoringMergesTakesAWholeWordThatIsAToken) {
  auto file = small_tokenizer_file{};
  file.token("abc");
  auto root = file.json();
  EXPECT_EQ(pieces(small_tokenizer_file::parse(root), "abc"), (strings{"a", "b", "c"}));
  root["model"]["ignore_merges"] = true;
  EXPECT_EQ(pieces(small_tokenizer_file::parse(root), "abc"), strings{"abc"});
  EXPECT_EQ(pieces(small_tokenizer_file::parse(root), "abca"), (strings{"a", "b", "c", "a"}));
}

TEST(Tokenizer, DecodingMaySkipSpecialTokens) {
  const auto t = small_tokenizer_file{}.parse();
  const auto encoded = ids(t, "<bos>a<|channel>b<eos>");
  EXPECT_EQ(t.decode(encoded), "<bos>a<|channel>b<eos>");
  EXPECT_EQ(t.decode(encoded, special_tokens::skip), "a<|channel>b") << "as the file marks them";
}

TEST(Tokenizer, TokensBeyondTheVocabularyShowAsReplacementCharacters) {
  const auto t = small_tokenizer_file{}.parse();
  const auto beyond = static_cast<token_id>(t.size());
  EXPECT_EQ(t.decode(std::vector{*t.find("a"), beyond, ~token_id{0}}), "a\ufffd\ufffd");
  EXPECT_FALSE(t.is_special(beyond));
  EXPECT_FALSE(t.is_control(beyond));
}

TEST(Tokenizer, LooksUpPiecesBothWays) {
  const auto t = small_tokenizer_file{}.merge("a", "b").parse();
  for (auto id = token_id{0}; id < t.size(); ++id)
    EXPECT_EQ(t.find(t.piece(id)), id);
  EXPECT_EQ(t.find("nothing"), std::nullopt);
  EXPECT_EQ(t.piece(t.bos()), "<bos>");
}

TEST(Tokenizer, RefusesTextLongerThanAnyContext) {
  const auto t = small_tokenizer_file{}.parse();
  const auto text = std::string(tokenizer::max_text_bytes + 1, 'a');
  const auto encoded = t.encode(text, false, control_text::stays_text);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().code, errc::usage);
}

TEST(Tokenizer, LoadsAFile) {
  const auto path = testing::TempDir() + "larql_tokenizer_test.json";
  std::ofstream{path} << small_tokenizer_file{}.text();
  const auto t = tokenizer::load(path);
  ASSERT_TRUE(t) << t.error().text;
  EXPECT_EQ(pieces(*t, "ab"), (strings{"a", "b"}));
  std::filesystem::remove(path);
  const auto missing = tokenizer::load(path);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, errc::not_found);
}

// The parser reads a little beyond the text, which may or may not end a page.
TEST(Tokenizer, LoadsAFileOfAnyLength) {
  const auto path = testing::TempDir() + "larql_tokenizer_length_test.json";
  const auto text = small_tokenizer_file{}.text();
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto whole_pages = (text.size() / page + 2) * page;
  for (const auto beyond : {std::size_t{0}, std::size_t{1}, page - 64, page - 63, page - 1}) {
    const auto size = whole_pages + beyond;
    std::ofstream{path} << text << std::string(size - text.size(), ' ');
    const auto t = tokenizer::load(path);
    ASSERT_TRUE(t) << beyond << ": " << t.error().text;
    EXPECT_EQ(pieces(*t, "ab"), (strings{"a", "b"}));
  }
  std::ofstream{path};
  const auto empty = tokenizer::load(path);
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, errc::corrupt) << empty.error().text;
  EXPECT_NE(empty.error().text.find(path), std::string::npos);
  std::filesystem::remove(path);
}

// Words of all kinds, joined at random. Without "▁", which decodes as a space by definition.
std::string random_text(larql::test::random_source& random) {
  const auto parts = std::array<std::string_view, 18>{"a",
                                                      "ab",
                                                      "abc",
                                                      " ",
                                                      "  ",
                                                      "\n",
                                                      "\n\n\n",
                                                      "é",
                                                      "😊",
                                                      "👩‍👩‍👧",
                                                      "\t",
                                                      "<bos>",
                                                      "<|",
                                                      "|>",
                                                      "z\u0301",
                                                      "\u202e",
                                                      "\xf0\x90\x8d\x88",
                                                      "<0x41>"};
  auto out = std::string{};
  for (auto n = random.below(40); n > 0; --n)
    out += parts[random.below(static_cast<std::uint32_t>(parts.size()))];
  return out;
}

TEST(TokenizerProperty, DecodingWhatWasEncodedGivesTheText) {
  const auto t = small_tokenizer_file{}.merge("a", "b").merge("ab", "c").merge("▁", "a").parse();
  auto random = larql::test::random_source{1};
  for (auto i = 0; i < 2000; ++i) {
    const auto text = random_text(random);
    for (const auto control : {control_text::becomes_tokens, control_text::stays_text})
      ASSERT_EQ(t.decode(ids(t, text, control)), text);
  }
}

TEST(TokenizerProperty, RandomBytesComeBackMadeValid) {
  const auto t = small_tokenizer_file{}.merge("a", "b").parse();
  auto random = larql::test::random_source{2};
  for (auto i = 0; i < 2000; ++i) {
    auto bytes = std::string(random.below(60), '\0');
    for (auto& b : bytes)
      b = static_cast<char>(random.below(4) == 0 ? random.below(256) : 'a' + random.below(4));
    const auto once = t.decode(ids(t, bytes));
    EXPECT_EQ(t.decode(ids(t, once)), once);
  }
}

} // namespace
} // namespace larql::text
