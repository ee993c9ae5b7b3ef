// text/jinja/parser.cpp - the grammar of Jinja2 3.1.6 by recursive descent, statements here.
#include "text/jinja/parser.h"

#include <algorithm>

#include "text/jinja/error.h"
#include "text/jinja/expression_parser.h"
#include "text/jinja/name_binding.h"

namespace hearth::text::jinja {
namespace {

class Parser : private ExpressionParser {
  public:
    explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

    Body run() {
        Body body = statements({});
        if (current().kind != TokenKind::end) fail_here("the end of the template");
        return body;
    }

  private:
    using Ends = std::initializer_list<std::string_view>;

    // Statements up to a tag that `ends` names (the tag's word is then current), or to the end of the source.
    Body statements(Ends ends) {
        const Deeper deeper(*this);
        Body body;
        while (true) {
            const Token& token = current();
            if (token.kind == TokenKind::end) {
                if (ends.size() > 0) fail_here(fmt::format("{{% {} %}}", *ends.begin()));
                return body;
            }
            if (token.kind == TokenKind::data) {
                Statement data = make(StatementKind::data);
                data.text = token.text;
                body.push_back(std::move(data));
                next();
            } else if (token.kind == TokenKind::variable_begin) {
                next();
                Statement output = make(StatementKind::output);
                output.expressions.push_back(tuple());
                body.push_back(std::move(output));
                expect(TokenKind::variable_end, "}}");
            } else {
                expect(TokenKind::block_begin, "a tag");
                if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return at_name(end); }))
                    return body;
                body.push_back(statement());
                expect(TokenKind::block_end, "%}");
            }
        }
    }

    // After a tag's own words: the rest of the tag, the body, and the word that ends it, taken when `take`.
    Body tag_body(Ends ends, bool take) {
        skip_op(":");
        expect(TokenKind::block_end, "%}");
        Body body = statements(ends);
        if (take) next();
        return body;
    }

    [[nodiscard]] Statement make(StatementKind kind) const {
        Statement statement;
        statement.kind = kind;
        statement.line = current().line;
        return statement;
    }

    Statement statement() {
        if (current().kind != TokenKind::name) fail_here("the name of a tag");
        using Method = Statement (Parser::*)();
        static constexpr std::pair<std::string_view, Method> kTags[] = {
            {"for", &Parser::for_tag},
            {"if", &Parser::if_tag},
            {"set", &Parser::set_tag},
            {"macro", &Parser::macro_tag},
            {"call", &Parser::call_tag},
            {"filter", &Parser::filter_tag},
            {"with", &Parser::with_tag},
            {"print", &Parser::print_tag},
            {"block", &Parser::block_tag},
            {"generation", &Parser::generation_tag},
            {"autoescape", &Parser::autoescape_tag},
            {"break", &Parser::loop_control},
            {"continue", &Parser::loop_control},
            {"extends", &Parser::other_template},
            {"include", &Parser::other_template},
            {"import", &Parser::other_template},
            {"from", &Parser::other_template},
        };
        for (const auto& [word, method] : kTags)
            if (at_name(word)) return (this->*method)();
        fail_here("a tag that is known here");
    }

    // expressions: iterable, filter or null. targets: one. bodies: loop, else.
    Statement for_tag() {
        Statement s = make(StatementKind::for_);
        next();
        s.targets.push_back(assign_target(false, "in"));
        expect_name("in");
        s.expressions.push_back(tuple(false, "recursive"));
        s.expressions.push_back(skip_name("if") ? expression() : nullptr);
        s.recursive = skip_name("recursive");
        ++loops_;
        s.bodies.push_back(tag_body({"endfor", "else"}, false));
        --loops_;
        const bool has_else = at_name("else");
        next();
        s.bodies.push_back(has_else ? tag_body({"endfor"}, true) : Body{});
        return s;
    }

    // expressions: a test for each body; a body more is the else.
    Statement if_tag() {
        Statement s = make(StatementKind::if_);
        next();
        while (true) {
            s.expressions.push_back(tuple(false));
            s.bodies.push_back(tag_body({"elif", "else", "endif"}, false));
            const bool more = at_name("elif"), has_else = at_name("else");
            next();
            if (more) continue;
            if (has_else) s.bodies.push_back(tag_body({"endif"}, true));
            return s;
        }
    }

    // set: expressions: the value. set_block: expressions: a filter chain over null, or null; bodies: one.
    Statement set_tag() {
        Statement s = make(StatementKind::set);
        next();
        s.targets.push_back(assign_target(true));
        if (skip_op("=")) {
            s.expressions.push_back(tuple());
            return s;
        }
        s.kind = StatementKind::set_block;
        s.expressions.push_back(filters(nullptr, false));
        s.bodies.push_back(tag_body({"endset"}, true));
        return s;
    }

    void signature(Statement& s) {
        expect_op("(");
        bool had_fallback = false;
        while (!at_op(")")) {
            if (!s.parameters.empty()) expect_op(",");
            Parameter parameter;
            parameter.name = assignable_name();
            if (skip_op("=")) {
                parameter.fallback = expression();
                had_fallback = true;
            } else if (had_fallback) {
                fail_here("a default, as the parameter before has one");
            }
            s.parameters.push_back(std::move(parameter));
        }
        expect_op(")");
    }

    // The body of a macro or call block; notes which of the special names it reads.
    void macro_body(Statement& s, std::string_view end) {
        const auto outer = special_names_;
        special_names_ = {};
        const int loops = std::exchange(loops_, 0);
        s.bodies.push_back(tag_body({end}, true));
        loops_ = loops;
        s.uses_varargs = special_names_.varargs;
        s.uses_kwargs = special_names_.kwargs;
        s.uses_caller = special_names_.caller;
        special_names_.varargs |= outer.varargs;
        special_names_.kwargs |= outer.kwargs;
        special_names_.caller |= outer.caller;
    }

    Statement macro_tag() {
        Statement s = make(StatementKind::macro);
        next();
        s.text = assignable_name();
        signature(s);
        macro_body(s, "endmacro");
        return s;
    }

    // expressions: the call.
    Statement call_tag() {
        Statement s = make(StatementKind::call_block);
        next();
        if (at_op("(")) signature(s);
        s.expressions.push_back(expression());
        if (s.expressions[0]->kind != ExpressionKind::call) fail_here("a call");
        s.text = "caller";
        macro_body(s, "endcall");
        return s;
    }

    Statement filter_tag() {
        Statement s = make(StatementKind::filter_block);
        next();
        s.expressions.push_back(filters(nullptr, true));
        s.bodies.push_back(tag_body({"endfilter"}, true));
        return s;
    }

    Statement with_tag() {
        Statement s = make(StatementKind::with);
        next();
        while (current().kind != TokenKind::block_end) {
            if (!s.targets.empty()) expect_op(",");
            s.targets.push_back(assign_target(false));
            expect_op("=");
            s.expressions.push_back(expression());
        }
        s.bodies.push_back(tag_body({"endwith"}, true));
        return s;
    }

    Statement print_tag() {
        Statement s = make(StatementKind::output);
        next();
        while (current().kind != TokenKind::block_end) {
            if (!s.expressions.empty()) expect_op(",");
            s.expressions.push_back(expression());
        }
        return s;
    }

    Statement block_tag() {
        Statement s = make(StatementKind::scope);
        next();
        s.text = any_name();
        s.isolated = !skip_name("scoped");
        skip_name("required");
        s.bodies.push_back(tag_body({"endblock"}, true));
        skip_name(s.text);
        return s;
    }

    Statement generation_tag() {  // marks what the model wrote, for training; here it marks nothing
        Statement s = make(StatementKind::scope);
        next();
        macro_body(s, "endgeneration");
        return s;
    }

    Statement autoescape_tag() {
        Statement s = make(StatementKind::scope);
        next();
        s.expressions.push_back(expression());
        s.bodies.push_back(tag_body({"endautoescape"}, true));
        return s;
    }

    Statement loop_control() {
        if (loops_ == 0) fail_here("a loop around it");
        Statement s = make(at_name("break") ? StatementKind::break_ : StatementKind::continue_);
        next();
        return s;
    }

    Statement other_template() {
        Statement s = make(StatementKind::unsupported);
        s.text = current().text;
        while (current().kind != TokenKind::block_end && current().kind != TokenKind::end) next();
        return s;
    }

    int loops_ = 0;
};

}  // namespace

Template parse(std::string_view source) {
    Template parsed{Parser(tokenize(source)).run(), {}};
    bind_names(parsed);
    return parsed;
}

}  // namespace hearth::text::jinja
