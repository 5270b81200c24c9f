using System.Collections.Concurrent;
using Microsoft.Playwright;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>A person with a browser. What their pages ask for is recorded.</summary>
internal sealed class Visitor : IAsyncDisposable
{
    private readonly IBrowserContext context;
    private readonly ConcurrentQueue<Uri> requested = new();
    private readonly ConcurrentQueue<string> errors = new();

    public Visitor(IBrowserContext context)
    {
        this.context = context;
        context.Request += (_, request) => requested.Enqueue(new Uri(request.Url));
        context.WebError += (_, error) => errors.Enqueue(error.Error);
    }

    public async Task<IPage> OpenAsync(string address)
    {
        var page = await context.NewPageAsync();
        await page.GotoAsync(address);
        return page;
    }

    /// <summary>No page asked another machine for anything, and no script failed.</summary>
    public void AssertAtHomeAndWell()
    {
        Assert.NotEmpty(requested);
        Assert.All(requested, static address => Assert.Equal("127.0.0.1", address.Host));
        Assert.Empty(errors);
    }

    public ValueTask DisposeAsync() => context.DisposeAsync();
}
