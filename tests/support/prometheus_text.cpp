#include "tests/support/prometheus_text.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <regex>
#include <sstream>

namespace larql::test {

prometheus_text::prometheus_text(const std::string& text) {
  auto lines = std::istringstream{text};
  for (auto line = std::string{}; std::getline(lines, line);)
    read(line);
  EXPECT_TRUE(text.ends_with('\n'));
  check_histograms();
}

double prometheus_text::operator[](const std::string& series) const {
  const auto at = samples_.find(series);
  return at == samples_.end() ? std::numeric_limits<double>::quiet_NaN() : at->second;
}

void prometheus_text::read(const std::string& line) {
  static const auto help = std::regex{R"(# HELP ([a-z_:]+) \S.*)"};
  static const auto type = std::regex{R"(# TYPE ([a-z_:]+) (counter|gauge|histogram))"};
  static const auto sample = std::regex{
      R"re((([a-z_:]+)(\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})?) (\S+))re"};
  auto m = std::smatch{};
  if (std::regex_match(line, m, help)) {
    EXPECT_TRUE(helped_.insert(m[1]).second) << "HELP twice: " << line;
  } else if (std::regex_match(line, m, type)) {
    EXPECT_TRUE(types_.emplace(m[1], m[2]).second) << "TYPE twice: " << line;
    EXPECT_TRUE(helped_.contains(m[1])) << "no HELP: " << line;
    family_ = m[1];
  } else if (std::regex_match(line, m, sample)) {
    add(m[1], m[2], m[4], line);
  } else {
    ADD_FAILURE() << "malformed: " << line;
  }
}

void prometheus_text::add(const std::string& series, const std::string& name,
                          const std::string& number, const std::string& line) {
  auto* end = static_cast<char*>(nullptr);
  const auto value = std::strtod(number.c_str(), &end);
  EXPECT_EQ(*end, '\0') << "no number: " << line;
  EXPECT_TRUE(samples_.emplace(series, value).second) << "twice: " << line;
  const auto& kind = types_[family_];
  const auto of_histogram =
      name == family_ + "_bucket" || name == family_ + "_sum" || name == family_ + "_count";
  EXPECT_TRUE(kind == "histogram" ? of_histogram : name == family_)
      << "outside its family: " << line;
  EXPECT_TRUE(kind != "counter" || name.ends_with("_total")) << line;
}

// The last bucket holds all.
void prometheus_text::check_histograms() const {
  static const auto bucket = std::regex{R"re((.*)_bucket\{(.*),le="\+Inf"\})re"};
  for (const auto& [series, value] : samples_) {
    auto m = std::smatch{};
    if (!std::regex_match(series, m, bucket))
      continue;
    EXPECT_EQ(value, (*this)[m[1].str() + "_count{" + m[2].str() + "}"]) << series;
  }
}

} // namespace larql::test
