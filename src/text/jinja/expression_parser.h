// text/jinja/expression_parser.h - the expressions of the grammar, and what both halves of the parser share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace hearth::text::jinja {

class ExpressionParser {
  protected:
    explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    // Nesting of one thing in another, bounded: each level is a few frames of the stack.
    class Deeper {
      public:
        explicit Deeper(ExpressionParser& parser);
        Deeper(const Deeper&) = delete;
        Deeper& operator=(const Deeper&) = delete;
        ~Deeper() { --parser_.depth_; }

      private:
        ExpressionParser& parser_;
    };

    [[nodiscard]] const Token& current() const { return tokens_[at_]; }
    [[nodiscard]] const Token& look() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
    void next() {
        if (at_ + 1 < tokens_.size()) ++at_;
    }
    [[nodiscard]] bool at_op(std::string_view op) const {
        return current().kind == TokenKind::op && current().text == op;
    }
    [[nodiscard]] bool at_name(std::string_view name) const {
        return current().kind == TokenKind::name && current().text == name;
    }
    bool skip_op(std::string_view op);
    bool skip_name(std::string_view name);
    void expect_op(std::string_view op);
    void expect_name(std::string_view name);
    void expect(TokenKind kind, std::string_view what);
    [[noreturn]] void fail_here(std::string_view expected) const;

    std::string any_name();
    std::string assignable_name();
    ExpressionPtr expression();
    // An expression, or several with commas: a tuple. Ends also at the name `end` if one is given.
    ExpressionPtr tuple(bool with_condition = true, std::string_view end = {}, bool in_brackets = false);
    ExpressionPtr assign_target(bool with_namespace, std::string_view end = {});
    // A chain of filters over `node`; `inline_start`: the first has no bar before it.
    ExpressionPtr filters(ExpressionPtr node, bool inline_start);

    struct SpecialNames {
        bool varargs = false, kwargs = false, caller = false;
    };
    SpecialNames special_names_;  // read since the innermost macro began

  private:
    [[nodiscard]] ExpressionPtr make(ExpressionKind kind) const;
    ExpressionPtr binary(Op op, ExpressionPtr left, ExpressionPtr right, int line) const;
    ExpressionPtr or_expression();
    ExpressionPtr and_expression();
    ExpressionPtr not_expression();
    ExpressionPtr compare();
    ExpressionPtr math1();
    ExpressionPtr concat();
    ExpressionPtr math2();
    ExpressionPtr power();
    ExpressionPtr unary(bool with_filter);
    ExpressionPtr primary();
    ExpressionPtr list();
    ExpressionPtr dict();
    ExpressionPtr postfix(ExpressionPtr node);
    ExpressionPtr filter_expression(ExpressionPtr node);
    ExpressionPtr subscript(ExpressionPtr node);
    ExpressionPtr subscribed();
    ExpressionPtr call(ExpressionPtr node);
    ExpressionPtr test(ExpressionPtr node);
    std::vector<Argument> call_arguments();
    std::string dotted_name();
    ExpressionPtr target_item(bool with_namespace);
    [[nodiscard]] bool at_tuple_end(std::string_view end) const;
    // A chain as a + b + c nests to the left without the parser's own nesting: count its links too.
    void count_link(int& links) const;

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    int depth_ = 0;
};

}  // namespace hearth::text::jinja
