// Texts that tokenizers get wrong, the same ones on every machine.

#pragma once

#include "tests/support/random_weights.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace larql::text::test {

inline std::string repeated(std::string_view unit, int times) {
  auto out = std::string{};
  for (auto i = 0; i < times; ++i)
    out += unit;
  return out;
}

/// Pieces that the random texts are made of: scripts, code, white space, controls, token spellings.
inline constexpr auto odd_parts = std::array<std::string_view, 96>{"Hello",
                                                                   "world",
                                                                   "the quick brown fox",
                                                                   "don't",
                                                                   "e.g.",
                                                                   "U.S.A.",
                                                                   "3.14159",
                                                                   "1234567890",
                                                                   "2024-02-30",
                                                                   "$1,000.00",
                                                                   "100%",
                                                                   "user@example.com",
                                                                   "https://x.org/?a=b&c=d#e",
                                                                   "C:\\dir\\f",
                                                                   "Straße",
                                                                   "naïve café",
                                                                   "déjà vu",
                                                                   "ﬁne",
                                                                   "Ångström",
                                                                   "Łódź",
                                                                   "İstanbul ı",
                                                                   "ß",
                                                                   "Ελληνικά",
                                                                   "Привет, мир",
                                                                   "щи",
                                                                   "שלום עולם",
                                                                   "مرحبا بالعالم",
                                                                   "بِسْمِ",
                                                                   "हिन्दी",
                                                                   "ภาษาไทย",
                                                                   "ខ្មែរ",
                                                                   "தமிழ்",
                                                                   "བོད་སྐད",
                                                                   "አማርኛ",
                                                                   "ქართული",
                                                                   "Հայերեն",
                                                                   "ᏣᎳᎩ",
                                                                   "中文字符",
                                                                   "日本語テキスト",
                                                                   "カタカナ",
                                                                   "ｶﾀｶﾅ",
                                                                   "한국어",
                                                                   "각",
                                                                   "𠮷野家",
                                                                   "𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
                                                                   "𐍈𐌰",
                                                                   "𒀀𒁀",
                                                                   "ߒߞߏ",
                                                                   "꧋ꦱ",
                                                                   "😊",
                                                                   "👩‍👩‍👧‍👦",
                                                                   "🏳️‍🌈",
                                                                   "👍🏽",
                                                                   "🇩🇪🇫🇷",
                                                                   "☕️",
                                                                   "❤️",
                                                                   "→⇒∀∃∑",
                                                                   "½⅓²₃",
                                                                   "e\u0301",
                                                                   "a\u0300\u0301\u0302",
                                                                   "\u200b",
                                                                   "\u200d",
                                                                   "\u2060",
                                                                   "\ufeff",
                                                                   "\u202eabc\u202c",
                                                                   "\u00a0",
                                                                   "\u3000",
                                                                   "\u2028",
                                                                   "\u0085",
                                                                   "\t",
                                                                   "\t\t\t",
                                                                   "\r",
                                                                   "\r\n",
                                                                   "\n",
                                                                   "\n\n",
                                                                   "\n\n\n\n\n",
                                                                   " ",
                                                                   "  ",
                                                                   "     ",
                                                                   " \n ",
                                                                   "\x01\x02",
                                                                   "\x7f",
                                                                   "\x1b[0m",
                                                                   "\U0010fffd",
                                                                   "\ufffd",
                                                                   "\ue000",
                                                                   "<0x0A>",
                                                                   "<bos>",
                                                                   "<eos>",
                                                                   "<start_of_turn>",
                                                                   "<|turn>",
                                                                   "</s>",
                                                                   "<table>",
                                                                   "<unused5>",
                                                                   "▁",
                                                                   "▁▁▁"};

inline std::vector<std::string> odd_texts() {
  auto out = std::vector<std::string>{
      "",
      " ",
      "\n",
      "a",
      "Hello world! Café déjà vu — 123 😊",
      "  leading and trailing  ",
      "def f(x):\n    if x:\n        return [i ** 2 for i in range(x)]\n\n\nprint(f(3))\n",
      "#include <vector>\nint main() { return std::vector<int>{1, 2}.size() <= 2 ? 0 : 1; }\n",
      "{\"key\": [1, 2.5e-3, null, true], \"s\": \"a\\nb\\u00e9\"}",
      "SELECT * FROM t WHERE a <> 'b' -- comment\n",
      "<html><body class=\"x\">&nbsp;</body></html>",
      "| a | b |\n|---|:-:|\n| 1 | **2** |\n",
      "\\frac{a}{b} \\sum_{i=0}^{n} x_i^2",
      "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
      "<bos><bos>twice",
      "<<bos>>",
      "<bos",
      "bos>",
      "<|turn>user\nx<turn|>\n",
      "a<eos> b <eos>c",
      "<0x41><0xFF><0x>",
      std::string("nul\0inside", 10),
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "Pneumonoultramicroscopicsilicovolcanoconiosis",
      "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
      "ﷺ",
      "Z̸̨̛a̴l̷g̶o̵",
  };
  for (const auto part : odd_parts) {
    out.emplace_back(part);
    out.push_back(fmt::format(" {0}{0}", part));
  }
  for (const auto length : {2, 3, 7, 15, 16, 30, 31, 32, 33, 62, 63, 64, 100})
    for (const auto* unit : {" ", "\n", "\t", "▁", "a", "ab", "=", "-", "é"})
      out.push_back(fmt::format("x{}y", repeated(unit, length)));
  for (const auto* unit : {"a", "ab", "aab", "lorem ipsum ", "\n ", "中", "😊", "é", "hahaha"})
    out.push_back(repeated(unit, 2000));
  auto random = larql::test::random_source{11};
  for (auto i = 0; i < 300; ++i) {
    auto text = std::string{};
    for (auto n = 1 + random.below(30); n > 0; --n) {
      text += odd_parts[random.below(static_cast<std::uint32_t>(odd_parts.size()))];
      if (random.below(2) == 0)
        text += ' ';
    }
    out.push_back(std::move(text));
  }
  return out;
}

} // namespace larql::text::test
