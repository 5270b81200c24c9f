using System.Text;
using System.Text.Encodings.Web;

namespace CdpFunctions.OpenApi;

/// <summary>The HTTP surface as a page that loads nothing else.</summary>
public static class ApiPage
{
    private const string Head = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>CdpFunctions API</title>
        <style>
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1f; background: #fff; }
        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #d8d8de; }
        code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
        @media (prefers-color-scheme: dark) { body { color: #e6e6ea; background: #17171a; } th, td { border-color: #3a3a42; } a { color: #9db8ff; } }
        </style>
        </head>
        <body>
        <h1>CdpFunctions API</h1>
        <p>All of it, with the shapes of bodies and answers, for machines: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).
        Every answer has the header <code>Cdp-Request-Id</code>; every refusal is a problem document with <code>type</code>, <code>title</code>, <code>status</code>, <code>detail</code> and <code>requestId</code>.</p>

        """;

    /// <summary>The page.</summary>
    public static string Html { get; } = Page();

    private static string Page()
    {
        var page = new StringBuilder(Head);
        // A preflight request is nothing that a reader would send.
        foreach (var chapter in ApiOperations.All.Where(operation => operation.Method != "OPTIONS").GroupBy(operation => operation.Tag, StringComparer.Ordinal))
        {
            page.Append($"<h2>{Encode(chapter.Key)}</h2>\n<table>\n<tr><th>Call</th><th>What it does</th><th>Key</th><th>Refused as</th></tr>\n");
            foreach (var operation in chapter)
            {
                page.Append($"<tr><td><code>{operation.Method} {Encode(operation.Path)}</code></td><td>{Encode(operation.Summary)}</td><td>{Encode(Key(operation))}</td>");
                page.Append($"<td>{string.Join(", ", operation.Problems.Distinct().OrderBy(problem => problem.Status).Select(problem => $"{problem.Status}&nbsp;<code>{problem.Code}</code>"))}</td></tr>\n");
            }

            page.Append("</table>\n");
        }

        return page.Append("</body>\n</html>\n").ToString();
    }

    private static string Key(ApiOperation operation) => operation.Key switch
    {
        ApiKeyKind.ApiKey => "API key, scope " + operation.Scope,
        ApiKeyKind.WriteKey => "write key",
        _ => "none",
    };

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);
}
