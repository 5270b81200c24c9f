namespace Cdp.Exports;

/// <summary>Walks over the members of now and, for a delta, those of the export before, in their common order.</summary>
internal sealed class MemberWalk : IAsyncDisposable
{
    private readonly IAsyncEnumerator<ExportMember> now;
    private readonly IAsyncEnumerator<(string Key, ulong Hash)>? before;
    private string? nowKey;
    private string? beforeKey;

    private MemberWalk(IAsyncEnumerator<ExportMember> now, IAsyncEnumerator<(string Key, ulong Hash)>? before)
    {
        this.now = now;
        this.before = before;
    }

    public bool AtEnd => nowKey is null && beforeKey is null;

    /// <summary>The first of both.</summary>
    public string Key => IsNow ? nowKey! : beforeKey!;

    /// <summary>Null: was one before and is none now.</summary>
    public ExportMember? Member => IsNow ? now.Current : null;

    /// <summary>What was exported before; null: was no member.</summary>
    public ulong? PreviousHash => IsBefore ? before!.Current.Hash : null;

    private bool IsNow => nowKey is not null && (beforeKey is null || string.CompareOrdinal(nowKey, beforeKey) <= 0);

    private bool IsBefore => beforeKey is not null && (nowKey is null || string.CompareOrdinal(beforeKey, nowKey) <= 0);

    public static async Task<MemberWalk> StartAsync(
        IAsyncEnumerable<ExportMember> now, IAsyncEnumerable<(string Key, ulong Hash)>? before, CancellationToken cancellation)
    {
        var walk = new MemberWalk(now.GetAsyncEnumerator(cancellation), before?.GetAsyncEnumerator(cancellation));
        await walk.MoveNowAsync();
        await walk.MoveBeforeAsync();
        return walk;
    }

    public async ValueTask MoveAsync()
    {
        var (moveNow, moveBefore) = (IsNow, IsBefore);
        if (moveNow)
            await MoveNowAsync();
        if (moveBefore)
            await MoveBeforeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await now.DisposeAsync();
        if (before is not null)
            await before.DisposeAsync();
    }

    private async ValueTask MoveNowAsync()
    {
        var last = nowKey;
        nowKey = await now.MoveNextAsync() ? MemberKey.Of(now.Current.Profile.Id) : null;
        // A member out of order would be exported twice, or be both gone and new.
        if (nowKey is not null && string.CompareOrdinal(nowKey, last) <= 0)
            throw new InvalidDataException($"The members do not come in their order: {nowKey} after {last}.");
    }

    private async ValueTask MoveBeforeAsync() => beforeKey = before is not null && await before.MoveNextAsync() ? before.Current.Key : null;
}
