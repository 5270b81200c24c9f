using Xunit;

namespace CdpFunctions.Tests.Infra;

public sealed class BicepFileTests
{
    [Fact]
    public void Parse_ReadsDeclarationsLoopsAndConditions()
    {
        var file = BicepFile.Parse(
            """
            // comment
            @description('It\'s a name.')
            @minLength(2)
            param name string = 'cdp'
            param size int
            var list = [
              'a' // one
              'b'
            ]
            var pairs = [{ k: 'x', v: 1 }, { k: '${name}, }', v: f(2, [3]) }]
            resource all 'T@1' = [for item in list: {
              name: item
            }]
            resource some 'U@2' = if (size == (1)) {
              parent: all
              properties: { '${name}': {} }
            }
            output out string = size == 1 ? 'x' : ''
            """);

        Assert.Equal("It's a name.", file.Declarations[0].Description);
        Assert.Equal(new BicepString("cdp"), file.Default("name"));
        Assert.Null(file.Default("size"));
        Assert.Equal(["a", "b"], file.Variable("list").Items.Select(item => item.Text));
        Assert.Equal(["1", "f(2, [3])"], file.Variable("pairs").Items.Select(item => item.At("v").Text));
        Assert.Equal("${name}, }", file.Variable("pairs").Items[1].At("k").Text);
        Assert.Equal(("item", "list", null), (file.Resources[0].Item, file.Resources[0].Collection, file.Resources[0].Condition));
        Assert.Equal(new BicepExpression("item"), file.Resources[0].Body.At("name"));
        Assert.Equal("size == (1)", file.Resources[1].Condition);
        Assert.Equal("${name}", Assert.Single(file.Resources[1].Body.At("properties").Members).Key);
        Assert.Equal(new BicepExpression("size == 1 ? 'x' : ''"), file.Declarations[^1].Value);
    }

    [Theory]
    [InlineData("module m 'x.bicep' = {}")]
    [InlineData("var a = 'no end")]
    [InlineData("var a = {\n b: 1\n b: 2\n}")]
    [InlineData("resource a 'T@1' = [for (x, i) in y: {}]")]
    public void Parse_WhatItDoesNotKnow_Throws(string text) => Assert.Throws<FormatException>(() => BicepFile.Parse(text));
}
