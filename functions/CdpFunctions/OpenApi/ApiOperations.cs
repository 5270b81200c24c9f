using Cdp.Access;
using Cdp.Problems;
using static Cdp.Problems.ProblemType;

namespace CdpFunctions.OpenApi;

/// <summary>Every call of the HTTP surface, in the order of the documentation. A test compares it with the functions' routes.</summary>
public static class ApiOperations
{
    private const string Collect = "Collect";
    private const string ClientSettings = "Client settings";
    private const string Profiles = "Profiles";
    private const string Segments = "Segments";
    private const string Destinations = "Destinations";
    private const string Imports = "Imports";
    private const string Operations = "Operations";
    private const string Administration = "Administration";

    private static readonly ProblemType[] OfKey = [UnknownWriteKey, SourceDisabled];
    private static readonly ProblemType[] OfCollectors =
        [NotJson, NotAnObject, InvalidField, .. OfKey, OriginNotAllowed, RequestTooLarge, UnsupportedEncoding, RateLimited, StorageUnavailable];

    private static readonly ProblemType[] OfBodies = [NotJson, NotAnObject, InvalidField, RequestTooLarge, UnsupportedEncoding];

    private static readonly ApiSuccess Nothing = new(204, "Done; also where there was nothing.");

    public static IReadOnlyList<ApiOperation> All { get; } =
    [
        .. Single("track", "Somebody did something."),
        .. Single("identify", "Who somebody is, and what is known of them."),
        .. Single("page", "Somebody saw a page."),
        .. Single("screen", "Somebody saw a screen of an app."),
        .. Single("group", "Somebody belongs to a group, such as a company."),
        .. Single("alias", "Two identifiers are the same person."),
        // Without a letter: /v1/m takes metrics.
        .. Single("merge", "Many identifiers are the same person.", ["merge"]),
        .. Batch("/v1/batch", "Many events. Bad ones are listed and cost the others nothing."),
        .. Batch("/v1/b", "The same, as browsers send it: at most 500 KB."),
        .. Batch("/v1/import", "The same for the past: changes profiles, triggers nothing."),
        .. Batch("/beacon/v1/batch", "The same, as browsers send it when a page is left."),
        .. Preflighted(new("POST", "/v1/m", Collect, "Metrics of the browser SDK about itself: taken, stored nowhere.") { Body = "Anything", Answers = [new(200, "Taken.", "Collected")] }),
        Pixel("/v1/pixel/{type}", "An event from where only images can be fetched. What cannot be taken is answered with the image all the same.", []),
        Pixel("/pixel.gif", "The same as a page call, or of the type that 'type' names.", ["pixelType"]),
        .. Settings("/v1/projects/{writeKey}/settings", "What analytics.js loads before it sends."),
        .. Settings("/projects/{writeKey}/settings", "The same for Segment's libraries for apps."),
        .. Preflighted(new("GET", "/sourceConfig", ClientSettings, "What RudderStack's SDKs load before they send.")
        {
            Key = ApiKeyKind.WriteKey, Answers = [new(200, "The source.", "SourceConfig")], Problems = [.. OfKey, StorageUnavailable],
        }),

        new("POST", "/v1/webhooks/{sourceId}", Collect, "What another system sends, in its own words: events by the source's mapping. Shown to be the system's by the source's signature scheme, or else by a write key.")
        {
            Parameters = ["header.Content-Encoding"], Body = "Anything",
            Answers = [new(200, "What was accepted is stored durably; nothing, where the mapping gives nothing for this payload or its events name nobody.", "CollectedBatch")],
            Problems = [NotJson, InvalidField, InvalidSignature, UnknownWriteKey, SourceDisabled, NotFound, RequestTooLarge, UnsupportedEncoding, MappingInvalid, RateLimited, StorageUnavailable],
        },

        Profile("", "A profile.", "Profile"),
        Profile("/traits", "Each trait with the time and the source of its value.", "Traits"),
        Profile("/identities", "Identifiers, merges, and every decision against an identifier.", "Identities"),
        Profile("/interactions", "Calls, mails, meetings, notes, deals and tickets, newest first.", "Interactions", [InvalidField, InvalidCursor], "kind", "from", "to", "limit", "cursor"),
        Profile("/events", "The timeline, newest first.", "Events", [InvalidField, InvalidCursor], "name", "eventType", "from", "to", "limit", "cursor"),
        Api("POST", "/v1/profiles/lookup", Profiles, Scope.ProfilesRead, "The profile of an identifier, which stays out of URLs and logs.", [.. OfBodies, InvalidKey, ProfileNotFound]) with
        {
            Body = "Lookup", Answers = [new(200, "The profile.", "Profile")],
        },
        Api("POST", "/v1/interactions", Profiles, Scope.InteractionsWrite, "A call, mail, meeting or note of somebody who has no CRM. Instead of an API key a write key will do, of a source with trust server.", [.. OfBodies, SourceDisabled, RateLimited, EventTooLarge, NoIdentity]) with
        {
            Body = "InteractionInput", Answers = [new(200, "The interaction is stored durably.", "Recorded")],
        },
        Admin("POST", "/v1/profiles/{key}/unmerge", "Takes a wrong merge back.", [.. OfBodies, InvalidKey, ProfileNotFound, NotFound, MergeInProgress]) with
        {
            Body = "Unmerge", Answers = [new(202, "On its way; both profiles' identities tell when it is done.", "Unmerging")],
        },
        Api("GET", "/v1/messages/{sourceId}/{messageId}", Profiles, Scope.ProfilesRead, "What became of an event.", [InvalidKey, NotFound]) with
        {
            Answers = [new(200, "What is known; 'queued' where nothing is.", "MessageStatus")],
        },

        Definitions("/v1/segments", "All segments, by id.", "SegmentList"),
        .. Definition("/v1/segments/{id}", "a segment", "Segment", [SegmentCycle]),
        Definitions("/v1/computed-traits", "All computed traits, by id, without the predefined ones.", "ComputedTraitList"),
        .. Definition("/v1/computed-traits/{id}", "a computed trait", "ComputedTrait", []),
        Api("GET", "/v1/segments/schema", Segments, Scope.Admin, "The JSON Schema of the language.", []) with { Answers = [new(200, "JSON Schema.", "Anything")] },
        Api("GET", "/v1/segments/{id}/members", Segments, Scope.ProfilesRead, "Who is in a segment.", [NotFound, InvalidField, InvalidCursor]) with
        {
            Parameters = ["query.limit", "query.cursor"], Answers = [new(200, "A page; 'next' is absent on the last one.", "MemberList")],
        },
        Api("GET", "/v1/segments/{id}/explain", Segments, Scope.ProfilesRead, "Why a profile is in a segment, or is not.", [NotFound, InvalidField, InvalidKey, ProfileNotFound]) with
        {
            Parameters = ["query.profile", "query.at"], Answers = [new(200, "Every condition with its value, its result and what matched.", "Explanation")],
        },
        Api("POST", "/v1/segments/preview", Segments, Scope.ProfilesRead, "Who would be in a segment.", [.. OfBodies, SegmentInvalid, RateLimited]) with
        {
            Body = "PreviewInput",
            Answers =
            [
                new(200, "Exact, or of a sample where that was asked for.", "Preview"),
                new(202, "Exact, of more than 20,000 profiles: on its way.", "PreviewJob", null, "Location"),
            ],
        },
        Api("GET", "/v1/segment-previews/{id}", Segments, Scope.ProfilesRead, "How far a preview has come, and its result; kept for a day.", [NotFound]) with
        {
            Answers = [new(200, "It.", "PreviewJob")],
        },
        Api("POST", "/v1/segments/overlap", Segments, Scope.ProfilesRead, "Whom segments have in common, and a condition that is not saved.", [.. OfBodies, SegmentInvalid]) with
        {
            Body = "OverlapInput", Answers = [new(200, "Exact; estimated where there are more than 20,000 profiles and a condition that is not saved.", "Overlap")],
        },
        .. Exports("/v1/segments/{id}/exports", "the members of a segment", "ExportInput", [NotFound]),
        .. Exports("/v1/exports", "all profiles", "ProfilesExportInput", []),
        Api("GET", "/v1/exports/{id}", Segments, Scope.ProfilesRead, "What became of an export, and links to its files.", [NotFound]) with
        {
            Answers = [new(200, "The export; 'download' where it is done.", "Export")],
        },
        Api("GET", "/v1/segment-templates", Segments, Scope.Admin, "Segments of everyday marketing to start from.", []) with { Answers = [new(200, "Definitions.", "SegmentTemplates")] },
        Api("GET", "/v1/catalog", Profiles, Scope.ProfilesRead, "Every event name, property and trait that was seen.", [InvalidField, InvalidCursor]) with
        {
            Parameters = ["query.sourceId", "query.limit", "query.cursor"], Answers = [new(200, "A page of event names; the traits are with the first one.", "Catalog")],
        },
        Admin("DELETE", "/v1/catalog", "Forgets what was seen, from one source or all; the next events fill it again.", []) with { Parameters = ["query.sourceId"], Answers = [Nothing] },

        List("/v1/destinations", "All destinations, by id, without their health.", "DestinationList") with { Tag = Destinations },
        Destination("GET", "", "A destination, with its health. Secrets are never shown.", [NotFound]) with { Answers = [new(200, "It.", "Destination", null, "ETag")] },
        Destination("PUT", "", "Makes or replaces a destination. Secrets that the body does not name stay.", [.. OfBodies, PreconditionFailed, MappingInvalid]) with
        {
            Parameters = ["header.If-Match", "header.If-None-Match"], Body = "DestinationInput",
            Answers = [new(201, "Made.", "Destination", null, "ETag"), new(200, "Replaced.", "Destination", null, "ETag")],
        },
        Destination("DELETE", "", "Deletes a destination; its deliveries are removed within a day.", [PreconditionFailed]) with { Parameters = ["header.If-Match"], Answers = [Nothing] },
        Destination("POST", "/test", "Sends one delivery at once, and shows what went and what came back.", [.. OfBodies, NotFound, ProfileNotFound, InvalidKey, MappingInvalid]) with
        {
            Body = "DestinationTestInput", Answers = [new(200, "It was sent, or could not be.", "DestinationTest")],
        },
        Destination("GET", "/deliveries", "Deliveries, the newest first.", [NotFound, InvalidField, InvalidCursor]) with
        {
            Parameters = ["query.deliveryState", "query.from", "query.to", "query.limit", "query.cursor"],
            Answers = [new(200, "A page, which may be short; 'next' is absent on the last one.", "DeliveryList")],
        },
        Destination("GET", "/deliveries/{deliveryId}", "A delivery and its attempts.", [NotFound]) with { Answers = [new(200, "It.", "Delivery")] },
        Destination("POST", "/deliveries/{deliveryId}/redrive", "Sends a delivery again, under its key.", [NotFound]) with { Answers = [new(202, "On its way.")] },
        Destination("POST", "/deliveries/redrive", "Sends again all of a time range that were given up, held, or delivered.", [.. OfBodies, NotFound]) with
        {
            Body = "RedriveDeliveries", Answers = [new(202, "On their way.")],
        },
        List("/v1/imports", "All imports, by the time they were made.", "ImportList") with { Tag = Imports },
        Api("POST", "/v1/imports", Imports, Scope.Admin, "Announces a file of events and gives the address to upload it to.", [.. OfBodies, MappingInvalid]) with
        {
            Body = "ImportInput", Answers = [new(201, "Waits for the file: PUT it to 'upload.url' with the header x-ms-blob-type: BlockBlob.", "Import")],
        },
        Api("GET", "/v1/imports/{id}", Imports, Scope.Admin, "An import: how far it has come, and where the report of its rejections is.", [NotFound]) with { Answers = [new(200, "The import.", "Import")] },
        Api("POST", "/v1/imports/{id}/preview", Imports, Scope.Admin, "What the first rows of the uploaded file would become. Stores nothing.", [NotFound, InvalidField, ImportNotUploaded]) with
        {
            Parameters = ["query.rows"], Answers = [new(200, "Events and rejections, row by row.", "ImportPreview")],
        },
        Api("POST", "/v1/imports/{id}/start", Imports, Scope.Admin, "Starts an import that waits; goes on with one that failed or stands still.", [NotFound, ImportNotUploaded]) with
        {
            Answers = [new(202, "It runs, or is done.", "Import")],
        },
        Api("DELETE", "/v1/imports/{id}", Imports, Scope.Admin, "Cancels an import and deletes its file and its report. Events that it has queued stay.", []) with { Answers = [Nothing] },

        Api("GET", "/v1/stats", Operations, Scope.StatsRead, "Counts, latencies, queues.", [InvalidField]) with
        {
            Parameters = ["query.from", "query.to", "query.sourceId"], Answers = [new(200, "The counts from 'from' to 'to', widened to whole minutes.", "Stats")],
        },
        new("GET", "/healthz", Operations, "The process answers.") { Answers = [new(200, "It does.", "Health")] },
        new("GET", "/readyz", Operations, "The storage answers too.") { Answers = [new(200, "It does.", "Health")], Problems = [StorageUnavailable] },
        new("GET", "/openapi.json", Operations, "This document.") { Answers = [new(200, "OpenAPI 3.1.", "Anything")] },
        new("GET", "/docs", Operations, "This document as a page.") { Answers = [new(200, "HTML.", Content: "text/html")] },

        List("/v1/sources", "All sources, by id.", "SourceList"),
        Admin("GET", "/v1/sources/{id}", "A source.", [NotFound]) with { Answers = [new(200, "The source.", "Source", null, "ETag")] },
        Admin("PUT", "/v1/sources/{id}", "Makes or replaces a source. Its write keys stay, and so does the secret of its signature where none is sent.", [.. OfBodies, MappingInvalid, PreconditionFailed]) with
        {
            Parameters = ["header.If-Match", "header.If-None-Match"], Body = "SourceInput",
            Answers = [new(201, "Made.", "Source", null, "ETag"), new(200, "Replaced.", "Source", null, "ETag")],
        },
        Admin("DELETE", "/v1/sources/{id}", "Deletes a source.", [PreconditionFailed]) with { Parameters = ["header.If-Match"], Answers = [Nothing] },
        Admin("POST", "/v1/sources/{id}/preview", "The events that a payload would become. Nothing is stored.", [.. OfBodies, NotFound, MappingInvalid, SourceDisabled]) with
        {
            Body = "MappingPreviewInput", Answers = [new(200, "The events with the rule that made each, those that would be refused, and the rules that gave nothing.", "MappingPreview")],
        },
        Admin("GET", "/v1/mapping-schema", "The JSON Schema of mappings.", []) with { Answers = [new(200, "JSON Schema.", "Anything")] },
        Admin("GET", "/v1/mapping-presets", "The mappings that come with the app.", []) with { Answers = [new(200, "All of them.", "MappingPresetList")] },
        Admin("POST", "/v1/sources/{id}/write-keys", "Makes a write key.", [NotFound]) with { Answers = [new(201, "Made.", "WriteKey")] },
        Admin("DELETE", "/v1/sources/{id}/write-keys/{prefix}", "Disables a write key.", []) with { Answers = [Nothing] },
        Admin("GET", "/v1/sources/{id}/tracking-plan", "What the source is expected to send.", [NotFound]) with { Answers = [new(200, "The plan.", "TrackingPlan", null, "ETag")] },
        Admin("PUT", "/v1/sources/{id}/tracking-plan", "Makes or replaces the plan; it holds within 10 s.", [.. OfBodies, NotFound, PreconditionFailed]) with
        {
            Parameters = ["header.If-Match", "header.If-None-Match"], Body = "TrackingPlan",
            Answers = [new(201, "Made.", "TrackingPlan", null, "ETag"), new(200, "Replaced.", "TrackingPlan", null, "ETag")],
        },
        Admin("DELETE", "/v1/sources/{id}/tracking-plan", "Deletes the plan and the counts of violations.", [PreconditionFailed]) with { Parameters = ["header.If-Match"], Answers = [Nothing] },
        Admin("GET", "/v1/sources/{id}/violations", "What contradicted the plan, the last first.", [NotFound]) with { Answers = [new(200, "At most 200 kinds, and the sum of the others.", "ViolationList")] },
        Admin("GET", "/v1/identity-rules", "The identifier types and their rules.", []) with { Answers = [new(200, "Those that hold.", "IdentityRules")] },
        Admin("PUT", "/v1/identity-rules", "Replaces the rules whole.", [.. OfBodies, PreconditionFailed]) with
        {
            Parameters = ["header.If-Match", "header.If-None-Match"], Body = "IdentityRules",
            Answers = [new(201, "Made.", "IdentityRules", null, "ETag"), new(200, "Replaced.", "IdentityRules", null, "ETag")],
        },
        List("/v1/identity-quarantine", "Identifiers that were seen with too many others and link nobody.", "QuarantineList"),
        Admin("POST", "/v1/identity-quarantine/release", "Lets an identifier link again.", [.. OfBodies, InvalidKey, NotFound, ProfileNotFound]) with { Body = "Lookup", Answers = [new(204, "It does.")] },
        Admin("POST", "/v1/identity-quarantine/unmerge", "Takes back all merges that the identifier caused.", [.. OfBodies, InvalidKey, NotFound, ProfileNotFound]) with
        {
            Body = "Lookup", Answers = [new(202, "On their way.", "UnmergingAll")],
        },
        List("/v1/api-keys", "All API keys, by id, without the keys themselves.", "ApiKeyList"),
        Admin("POST", "/v1/api-keys", "Makes an API key, which is shown in this answer only.", OfBodies) with { Body = "ApiKeyInput", Answers = [new(201, "Made.", "NewApiKey")] },
        Admin("GET", "/v1/api-keys/{id}", "An API key, without the key itself.", [NotFound]) with { Answers = [new(200, "What is known of it.", "ApiKey")] },
        Admin("DELETE", "/v1/api-keys/{id}", "Deletes an API key.", []) with { Answers = [Nothing] },
        List("/v1/failures", "Events that were accepted and are on no timeline, or not in full.", "FailureList", "query.sourceId"),
        Admin("POST", "/v1/failures/redrive", "Sends a failed event through processing again.", [.. OfBodies, NotFound]) with { Body = "Redrive", Answers = [new(202, "On its way.")] },
        Admin("DELETE", "/v1/failures/{sourceId}/{failureId}", "Forgets a failure.", []) with { Answers = [Nothing] },
    ];

    /// <summary>Browsers name a type by its first letter.</summary>
    private static IEnumerable<ApiOperation> Single(string type, string summary, string[]? names = null) => (names ?? [type, type[..1]]).SelectMany(name => Preflighted(new("POST", "/v1/" + name, Collect, summary)
    {
        Key = ApiKeyKind.WriteKey,
        Parameters = ["header.Content-Encoding"],
        Body = char.ToUpperInvariant(type[0]) + type[1..],
        Answers = [new(200, "The event is stored durably.", "Collected")],
        Problems = [.. OfCollectors, NoIdentity, EventTooLarge],
    }));

    private static IEnumerable<ApiOperation> Batch(string path, string summary) => Preflighted(new("POST", path, Collect, summary)
    {
        Key = ApiKeyKind.WriteKey,
        Parameters = ["header.Content-Encoding"],
        Body = "Batch",
        Answers = [new(200, "What was accepted is stored durably.", "CollectedBatch")],
        Problems = [.. OfCollectors, NoIdentity, UnknownType, EmptyBatch],
    });

    private static ApiOperation Pixel(string path, string summary, string[] parameters) => new("GET", path, Collect, summary)
    {
        Key = ApiKeyKind.WriteKey,
        Parameters = [.. parameters.Select(name => "query." + name), "query.data", "query.members"],
        Answers = [new(200, "A transparent dot, always.", Content: "image/gif")],
    };

    private static IEnumerable<ApiOperation> Settings(string path, string summary) => Preflighted(new("GET", path, ClientSettings, summary)
    {
        Answers = [new(200, "The settings.", "ClientSettings")], Problems = [.. OfKey, StorageUnavailable],
    });

    private static ApiOperation[] Preflighted(ApiOperation operation) =>
    [
        operation,
        new("OPTIONS", operation.Path, operation.Tag, "The preflight request of browsers.") { Answers = [new(204, "What pages of other origins may send.")] },
    ];

    private static ApiOperation Api(string method, string path, string tag, string scope, string summary, IEnumerable<ProblemType> problems) => new(method, path, tag, summary)
    {
        Key = ApiKeyKind.ApiKey,
        Scope = scope,
        Problems = [InvalidApiKey, ScopeMissing, StorageUnavailable, .. problems],
    };

    private static ApiOperation Profile(string part, string summary, string schema, ProblemType[]? problems = null, params string[] parameters) =>
        Api("GET", "/v1/profiles/{key}" + part, Profiles, Scope.ProfilesRead, summary, [InvalidKey, ProfileNotFound, .. problems ?? []]) with
        {
            Parameters = [.. parameters.Select(name => "query." + name)],
            Answers = [new(200, "The answer; of a merged profile's id, that of the winner.", schema, null, "Cdp-Merged-From")],
        };

    private static ApiOperation Definitions(string path, string summary, string schema) => List(path, summary, schema) with { Tag = Segments };

    private static ApiOperation[] Definition(string path, string what, string schema, IEnumerable<ProblemType> problems) =>
    [
        Api("GET", path, Segments, Scope.Admin, $"Shows {what}.", [NotFound]) with { Answers = [new(200, "It.", schema, null, "ETag")] },
        Api("PUT", path, Segments, Scope.Admin, $"Makes or replaces {what}.", [.. OfBodies, PreconditionFailed, SegmentInvalid, .. problems]) with
        {
            Parameters = ["header.If-Match", "header.If-None-Match"], Body = schema + "Input",
            Answers = [new(201, "Made.", schema, null, "ETag"), new(200, "Replaced.", schema, null, "ETag")],
        },
        Api("DELETE", path, Segments, Scope.Admin, $"Deletes {what} that no segment uses.", [PreconditionFailed, SegmentInUse]) with { Parameters = ["header.If-Match"], Answers = [Nothing] },
    ];

    private static ApiOperation[] Exports(string path, string what, string body, ProblemType[] problems) =>
    [
        Api("POST", path, Segments, Scope.ProfilesRead, $"Exports {what} into files.", [.. OfBodies, RateLimited, .. problems]) with
        {
            Body = body, Answers = [new(202, "Under way.", "Export", null, "Location")],
        },
        Api("GET", path, Segments, Scope.ProfilesRead, $"The exports of {what}, newest first, without links.", [InvalidField, InvalidCursor, .. problems]) with
        {
            Parameters = ["query.limit", "query.cursor"], Answers = [new(200, "A page; 'next' is absent on the last one.", "ExportList")],
        },
    ];

    private static ApiOperation Admin(string method, string path, string summary, IEnumerable<ProblemType> problems) => Api(method, path, Administration, Scope.Admin, summary, problems);

    private static ApiOperation Destination(string method, string part, string summary, IEnumerable<ProblemType> problems) =>
        Api(method, "/v1/destinations/{id}" + part, Destinations, Scope.Admin, summary, problems);

    private static ApiOperation List(string path, string summary, string schema, params string[] parameters) => Admin("GET", path, summary, [InvalidField, InvalidCursor]) with
    {
        Parameters = [.. parameters, "query.limit", "query.cursor"],
        Answers = [new(200, "A page; 'next' is absent on the last one.", schema)],
    };
}
