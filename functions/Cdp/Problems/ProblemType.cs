using System.Collections.Frozen;

namespace Cdp.Problems;

/// <summary>
/// Everything the HTTP surface refuses, in one table: the code on the wire (<c>/problems/{code}</c>), the status and the title.
/// Codes are part of the contract with clients; a detail says what was wrong this time and what to do.
/// </summary>
public sealed record ProblemType(string Code, int Status, string Title)
{
    public static readonly ProblemType NotJson = new("not-json", 400, "The body is not valid JSON");
    public static readonly ProblemType NotAnObject = new("not-an-object", 400, "A JSON object is expected");
    public static readonly ProblemType NoIdentity = new("no-identity", 400, "The event names nobody");
    public static readonly ProblemType UnknownType = new("unknown-type", 400, "The event type is unknown");
    public static readonly ProblemType EmptyBatch = new("empty-batch", 400, "The batch is empty");
    public static readonly ProblemType InvalidField = new("invalid-field", 400, "A field has a value that cannot be taken");
    public static readonly ProblemType InvalidCursor = new("invalid-cursor", 400, "The cursor is not one of this list");
    public static readonly ProblemType InvalidKey = new("invalid-key", 400, "The key is malformed");
    public static readonly ProblemType UnknownWriteKey = new("unknown-write-key", 401, "The write key is unknown");
    public static readonly ProblemType InvalidApiKey = new("invalid-api-key", 401, "The API key is missing or unknown");
    public static readonly ProblemType InvalidSignature = new("invalid-signature", 401, "The sender is not the one of the source");
    public static readonly ProblemType SourceDisabled = new("source-disabled", 403, "The source is disabled");
    public static readonly ProblemType OriginNotAllowed = new("origin-not-allowed", 403, "The source does not take events from this origin");
    public static readonly ProblemType ScopeMissing = new("scope-missing", 403, "The API key lacks a scope");
    public static readonly ProblemType NotFound = new("not-found", 404, "There is nothing here");
    public static readonly ProblemType ProfileNotFound = new("profile-not-found", 404, "There is no such profile");
    public static readonly ProblemType MergeInProgress = new("merge-in-progress", 409, "The profile is being merged");
    public static readonly ProblemType SegmentInUse = new("segment-in-use", 409, "Another definition uses the segment");
    public static readonly ProblemType SegmentCycle = new("segment-cycle", 409, "The segments refer to each other in a circle");
    public static readonly ProblemType ImportNotUploaded = new("import-not-uploaded", 409, "The file has not been uploaded");
    public static readonly ProblemType PreconditionFailed = new("precondition-failed", 412, "The object has changed");
    public static readonly ProblemType EventTooLarge = new("event-too-large", 413, "The event is too large");
    public static readonly ProblemType RequestTooLarge = new("request-too-large", 413, "The request is too large");
    public static readonly ProblemType UnsupportedEncoding = new("unsupported-encoding", 415, "The content encoding is not supported");
    public static readonly ProblemType SegmentInvalid = new("segment-invalid", 422, "The segment definition is invalid");
    public static readonly ProblemType MappingInvalid = new("mapping-invalid", 422, "The mapping is invalid");
    public static readonly ProblemType RateLimited = new("rate-limited", 429, "Too many requests");
    public static readonly ProblemType StorageUnavailable = new("storage-unavailable", 503, "The storage does not answer");

    public static readonly FrozenDictionary<string, ProblemType> All = new[]
    {
        NotJson, NotAnObject, NoIdentity, UnknownType, EmptyBatch, InvalidField, InvalidCursor, InvalidKey, UnknownWriteKey, InvalidApiKey,
        InvalidSignature, SourceDisabled, OriginNotAllowed, ScopeMissing, NotFound, ProfileNotFound, MergeInProgress, SegmentInUse, SegmentCycle, ImportNotUploaded,
        PreconditionFailed, EventTooLarge, RequestTooLarge, UnsupportedEncoding, SegmentInvalid, MappingInvalid, RateLimited, StorageUnavailable,
    }.ToFrozenDictionary(t => t.Code, StringComparer.Ordinal);

    /// <summary>The <c>type</c> member on the wire.</summary>
    public string Uri => "/problems/" + Code;
}

/// <summary>One refusal: its type, what exactly was wrong, and where (<c>batch[3].traits</c>) if it is about a part of the request.</summary>
public sealed record Problem(ProblemType Type, string Detail, IReadOnlyList<ProblemError>? Errors = null, int? RetryAfterSeconds = null);

/// <param name="Path">Where in the request, such as <c>batch[3].properties.total</c>.</param>
/// <param name="Reason">A short code or sentence.</param>
public sealed record ProblemError(string Path, string Reason);

/// <summary>Thrown where a request cannot be answered; the HTTP layer turns it into a problem document.</summary>
public sealed class ProblemException(Problem problem) : Exception(problem.Detail)
{
    public ProblemException(ProblemType type, string detail)
        : this(new Problem(type, detail))
    {
    }

    public Problem Problem { get; } = problem;
}
